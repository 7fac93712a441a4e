"""The receive budget, with connections that only pretend."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ByteSize

from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.deadlines import Expired
from ptingest.sources.beats.receive_budget import Pressure, ReceiveBudget

LIMIT = 64 << 20
MIB = 1 << 20
READ = 256 << 10
LIMITS = BeatsLimits(total_bytes=ByteSize(2 * LIMIT), frame_seconds=30)


@dataclass(eq=False)
class Peer:
    """A connection in the middle of a frame, unless told otherwise."""

    ip: str
    budget: ReceiveBudget
    awaits_bytes: bool = True
    reading: bool = True
    is_open: bool = True
    waiting_bytes: int = 0
    expired: list[Expired] = field(default_factory=list)

    @property
    def is_mid_window(self) -> bool:
        return self.waiting_bytes > 0

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def expire(self, expired: Expired) -> None:
        self.expired.append(expired)
        self.is_open = False
        self.takes(-self.waiting_bytes)

    def takes(self, count: int) -> None:
        self.waiting_bytes += count
        self.budget.add(self, count)

    def sends(self, count: int) -> None:
        """As the loop reads: a piece at a time, while it is read."""
        while count > 0 and self.reading and self.is_open:
            self.takes(min(READ, count))
            count -= READ


class Room:
    def __init__(self) -> None:
        self.now = 0.0
        self.budget = ReceiveBudget(LIMITS, now=lambda: self.now)

    def peer(self, ip: str, **state: bool) -> Peer:
        peer = Peer(ip, self.budget, **state)
        self.budget.join(peer)
        return peer

    def passes(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.budget.tick()


def test_unfinished_frames_of_one_address_leave_room_for_all_others() -> None:
    room = Room()
    attackers = [room.peer("a") for _ in range(256)]

    for _ in range(300):
        for attacker in attackers:
            attacker.sends(READ)
        room.passes(0.5)

    assert room.budget.held_bytes < LIMIT + 24 * MIB, "what it may hold, and one frame"
    assert room.budget.pressure == Pressure.NONE
    innocent = room.peer("b")
    innocent.sends(10 * MIB)
    assert innocent.waiting_bytes == 10 * MIB


def test_nor_do_those_that_burst_and_then_say_nothing() -> None:
    room = Room()
    attackers = [room.peer("a") for _ in range(256)]
    innocent = room.peer("b")

    for _ in range(300):
        for attacker in attackers:
            if attacker.waiting_bytes < 20 * MIB:
                attacker.sends(20 * MIB)
        room.passes(0.5)
        assert room.budget.held_bytes <= LIMIT + 24 * MIB
        assert (room.budget.pressure, innocent.reading) == (Pressure.NONE, True)


def test_nor_does_what_waits_for_a_sink_that_is_down() -> None:
    room = Room()
    attackers = [room.peer("a") for _ in range(256)]

    for _ in range(100):
        for attacker in attackers:
            if attacker.is_mid_window and attacker.reading:
                attacker.sends(20 * MIB)
                attacker.awaits_bytes = False
                room.budget.review(attacker)
            attacker.sends(READ)
        room.passes(0.5)
        assert room.budget.held_bytes <= LIMIT + 24 * MIB


def test_whole_windows_that_wait_of_one_address_leave_room_for_all_others() -> None:
    room = Room()

    for one in [room.peer("a", awaits_bytes=False) for _ in range(100)]:
        one.sends(64 * MIB)

    assert room.budget.pressure == Pressure.NONE
    innocent = room.peer("a")
    innocent.sends(1000)
    assert innocent.reading


def test_a_frame_larger_than_an_address_may_hold_comes_in_alone() -> None:
    room = Room()
    large, other = room.peer("a"), room.peer("b")

    large.sends(60 * MIB)

    assert large.waiting_bytes == 60 * MIB
    assert room.budget.pressure == Pressure.NONE, (
        "what is beyond the share of its address counts apart"
    )
    other.sends(20 * MIB)
    assert other.waiting_bytes == 20 * MIB


def test_a_large_frame_has_its_time_where_another_waits() -> None:
    room = Room()
    first, second = room.peer("a"), room.peer("b")
    first.sends(45 * MIB)
    second.sends(40 * MIB)
    assert not second.reading

    for _ in range(29):
        first.sends(64 << 10)
        room.passes(1)
    assert not first.expired
    room.passes(2)

    assert [one.reason for one in first.expired] == ["frame_timeout"]
    assert second.reading


def test_the_priority_goes_round_while_others_wait() -> None:
    room = Room()
    peers = [room.peer(str(n)) for n in range(4)]
    for peer in peers:
        peer.sends(17 * MIB)
    assert room.budget.pressure == Pressure.FULL

    seen = set()
    for _ in range(20):
        room.passes(3)
        reading = [n for n, peer in enumerate(peers) if peer.reading]
        assert len(reading) == 1
        seen |= set(reading)

    assert seen == {0, 1, 2, 3}


def test_the_priority_passes_on_at_once_when_its_window_is_complete() -> None:
    room = Room()
    peers = [room.peer(str(n)) for n in range(4)]
    for peer in peers:
        peer.sends(17 * MIB)

    for _ in peers:
        (reading,) = [peer for peer in peers if peer.reading]
        reading.awaits_bytes = False
        room.budget.review(reading)

    assert not any(peer.awaits_bytes for peer in peers)


def test_who_left_holds_no_priority() -> None:
    room = Room()
    peers = [room.peer(str(n)) for n in range(4)]
    for peer in peers:
        peer.sends(17 * MIB)
    (reading,) = [peer for peer in peers if peer.reading]

    reading.is_open = False
    reading.takes(-reading.waiting_bytes)
    room.budget.leave(reading)

    assert room.budget.pressure == Pressure.HIGH
    assert any(peer.reading for peer in peers if peer is not reading)


def test_levels_are_told_and_do_not_flap() -> None:
    room, levels = Room(), []
    room.budget.on_pressure = lambda: levels.append(room.budget.pressure)
    peers = [room.peer(str(n), awaits_bytes=False) for n in range(4)]

    for peer in peers:
        peer.takes(13 * MIB)
    peers[0].takes(-4 * MIB)
    peers[0].takes(4 * MIB)
    peers[0].takes(-13 * MIB)

    assert levels == [Pressure.HIGH, Pressure.NONE]

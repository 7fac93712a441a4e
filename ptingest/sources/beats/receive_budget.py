"""Bytes received and not yet framed, of all connections: who is accepted, who is read.

Memory for them is half of ``total_bytes``. As it fills, no more connections are accepted
(above three quarters), then only a window that is under way is read on, and when it is full
nobody is but the priority connection.

No address can fill it. Above a quarter of the budget the connections of one address are read
in mid-window only, above three eighths only those that hold a small share, above a half none.
So what one peer leaves unfinished, or sends faster than it is stored, stops nobody else.

One connection that still needs bytes to complete its window is always read, or a frame larger
than its address may hold could never end: the priority connection. What it receives meanwhile
counts apart; it is at most one frame. Where others wait for the priority, it passes on from who
brings nothing for two seconds, or takes longer than ``frame_seconds``. Who would then keep more
than its address may hold is closed instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.deadlines import Expired

ACCEPT_SHARE = 0.75
"""Above this share of the budget no connection is accepted."""
RESUME_SHARE = 0.65
"""Below this share everything is read again; the gap keeps us from flapping."""
ADDRESS_SHARES = (1 / 4, 3 / 8, 1 / 2)
"""What one address may hold: before another window is read, in mid-window, and at all."""
MOST_SHARE = 5 / 8
"""What it may hold after the priority passed on: room for a few reads above the last of them."""
HYSTERESIS_SHARE = 1 / 16
FEW = 4
"""A small share is a quarter of the budget divided among all connections, at least so many."""
PRIORITY_SECONDS = 2.0
TRICKLE_BYTES = 16 << 10
"""Less than this in half a second is nothing, as far as the priority goes."""

NO_PRESSURE, TIGHT, FULL, SHUT = range(4)
"""Pressures; ``SHUT`` is for one address only."""


class BudgetMember(Protocol):
    """A connection, as far as the receive budget is concerned."""

    ip: str

    @property
    def awaits_bytes(self) -> bool: ...
    @property
    def reading(self) -> bool: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_mid_window(self) -> bool: ...
    @property
    def waiting_bytes(self) -> int: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def expire(self, expired: Expired) -> None: ...


class ReceiveBudget:
    """Counts the bytes of every connection and pauses and resumes them."""

    def __init__(self, limits: BeatsLimits, *, now: Callable[[], float]) -> None:
        self._now = now
        self._members: dict[BudgetMember, float] = {}  # and when it had the priority last
        self._per_ip: Counter[str] = Counter()
        self._address_pressures: dict[str, int] = {}
        self._priority: BudgetMember | None = None
        self._priority_since = self._brought_at = 0.0
        self._priority_began_with = self._priority_had = 0
        self.held_bytes = 0
        self.pressure = NO_PRESSURE
        self.is_stopped = False
        self.on_pressure: Callable[[], None] = lambda: None
        """Called when ``pressure`` has changed."""
        self.change_limits(limits)

    def change_limits(self, limits: BeatsLimits) -> None:
        self._limits = limits
        self.limit_bytes = limits.total_bytes // 2

    def join(self, member: BudgetMember) -> None:
        self._members[member] = 0.0

    def leave(self, member: BudgetMember) -> None:
        """The connection is gone, and holds nothing any more."""
        self._members.pop(member, None)
        if member is self._priority:
            self._choose_priority()

    def stop_reading(self) -> None:
        """A drain: nobody is read any more."""
        self.is_stopped = True
        for member in self._members:
            member.pause()

    def add(self, member: BudgetMember, delta: int) -> None:
        """``delta`` more bytes wait at this connection."""
        self.held_bytes += delta
        self._per_ip[member.ip] += delta
        if not self._per_ip[member.ip]:
            del self._per_ip[member.ip]
        self.review(member)
        self._update_address(member.ip)
        self._update_pressure()

    def tick(self) -> None:
        """Twice a second: pass the priority on, where somebody waits for it."""
        if self.pressure or self._address_pressures or self._priority is not None:
            self._look_at_priority()
            self._choose_priority()

    def review(self, member: BudgetMember) -> None:
        """Decide whether this one connection is read now."""
        if member is self._priority and not _wants(member):
            self._choose_priority()
        if not member.is_open:
            return
        if self._may_read(member):
            member.resume()
            return
        member.pause()
        if self._priority is None and _needs_bytes(member):
            self._choose_priority()

    def is_tight_for(self, member: BudgetMember) -> bool:
        """Whether this connection holds more than a small share of what is scarce: events of a
        window that is not complete go on their way as they are."""
        scarce = self.pressure or member.ip in self._address_pressures
        return bool(scarce) and member.waiting_bytes >= self._small_share()

    def _may_read(self, member: BudgetMember) -> bool:
        if self.is_stopped:
            return False
        if member is self._priority and _wants(member):
            return True
        if self.pressure == FULL:
            return False
        held = member.waiting_bytes
        pressure = self._address_pressures.get(member.ip, NO_PRESSURE)
        if pressure == SHUT:
            return False
        if held < self._small_share():
            return True
        if held >= self._limits.connection_bytes and not member.awaits_bytes:
            return False
        if _needs_bytes(member):
            return pressure < FULL
        return self.pressure == NO_PRESSURE and pressure == NO_PRESSURE

    def _small_share(self) -> int:
        return self.limit_bytes // (4 * max(FEW, len(self._members)))

    # -- levels --------------------------------------------------------------------------

    def _update_address(self, ip: str) -> None:
        pressure = self._address_pressure(ip)
        if pressure == self._address_pressures.get(ip, NO_PRESSURE):
            return
        self._address_pressures[ip] = pressure
        if not pressure:
            del self._address_pressures[ip]
        for member in list(self._members):
            if member.ip == ip:
                self.review(member)

    def _address_pressure(self, ip: str) -> int:
        """As ``pressure``, for one address: what it holds against what it may hold."""
        held, was = self._held_by(ip), self._address_pressures.get(ip, NO_PRESSURE)
        pressure = NO_PRESSURE
        for above, share in enumerate(ADDRESS_SHARES, TIGHT):
            slack = HYSTERESIS_SHARE if was >= above else 0
            if held >= self.limit_bytes * (share - slack):
                pressure = above
        return pressure

    def _held_by(self, ip: str) -> int:
        held = self._per_ip[ip]
        is_priority = self._priority is not None and self._priority.ip == ip
        return held - self._counted_apart() if is_priority else held

    def _counted_apart(self) -> int:
        """What the priority connection received as such."""
        if self._priority is None:
            return 0
        return max(0, self._priority.waiting_bytes - self._priority_began_with)

    def _pressure_now(self) -> int:
        held = self.held_bytes - self._counted_apart()
        if held >= self.limit_bytes:
            return FULL
        share = RESUME_SHARE if self.pressure else ACCEPT_SHARE
        return TIGHT if held >= self.limit_bytes * share else NO_PRESSURE

    def _update_pressure(self) -> None:
        pressure = self._pressure_now()
        if pressure != self.pressure:
            self.pressure = pressure
            self.on_pressure()
            self._choose_priority()
            for member in list(self._members):
                self.review(member)

    # -- the priority connection ---------------------------------------------------------

    def _choose_priority(self) -> None:
        """Keep the priority where it is, or give it to whoever waited longest for it."""
        held = self._priority
        if held is not None and held in self._members and self._keeps(held):
            return
        chosen = min(self._waiting(), key=self._members.__getitem__, default=None)
        if held is None and chosen is None:
            return
        now = self._now()
        self._priority, self._priority_since, self._brought_at = chosen, now, now
        if chosen is not None:
            self._members[chosen] = now
            self._priority_began_with = self._priority_had = chosen.waiting_bytes
        for one in (held, chosen):
            if one is not None and one in self._members:
                self._update_address(one.ip)
                self.review(one)
        self._update_pressure()

    def _waiting(self) -> list[BudgetMember]:
        """Who is not read and needs bytes; save where its address holds too much that waits for
        us, which makes room by itself."""
        most = self.limit_bytes * MOST_SHARE
        waiting = [
            one
            for one in self._members
            if one is not self._priority and not one.reading and _wants(one)
        ]
        if not any(held > most for held in self._per_ip.values()):
            return waiting
        busy = {one.ip for one in self._members if one.waiting_bytes and not one.awaits_bytes}
        return [one for one in waiting if one.ip not in busy or self._per_ip[one.ip] <= most]

    def _keeps(self, held: BudgetMember) -> bool:
        if not _wants(held):  # a large frame counts apart until it was worked on
            return held.is_open and self._counted_apart() > self.limit_bytes * ADDRESS_SHARES[0]
        now = self._now()
        is_stuck = now - self._brought_at >= PRIORITY_SECONDS
        is_late = now - self._priority_since >= self._limits.frame_seconds
        return not ((is_stuck or is_late) and self._waiting())

    def _look_at_priority(self) -> None:
        """End the priority connection, where it brings too little for what it would keep."""
        held = self._priority
        if held is None or held not in self._members:
            return
        if held.waiting_bytes - self._priority_had > TRICKLE_BYTES:
            self._brought_at = self._now()
        self._priority_had = held.waiting_bytes
        if not self._keeps(held) and self._per_ip[held.ip] > self.limit_bytes * MOST_SHARE:
            held.expire(
                Expired(
                    "frame_timeout",
                    "a frame was not completed while others wait, and its address holds "
                    f"{self._per_ip[held.ip]} bytes, more than its share of "
                    f"{self.limit_bytes} (half of beats.limits.total_bytes)",
                )
            )


def _needs_bytes(member: BudgetMember) -> bool:
    return member.awaits_bytes and member.is_mid_window


def _wants(member: BudgetMember) -> bool:
    return member.is_open and _needs_bytes(member)

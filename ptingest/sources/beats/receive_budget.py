"""The receive budget: bytes received and not yet cut, of all connections together.

It decides whether new connections are accepted and which connections are read. Memory for these
bytes is half of ``total_bytes``. Above three quarters of it (``Pressure.HIGH``) no connection is
accepted and only connections in mid-window are read; when it is full, only the priority
connection is read.

One address cannot fill it. Above a quarter of the budget the connections of that address are
read in mid-window only, above three eighths only those that hold a small share, above a half
none. So a peer that leaves windows unfinished, or sends faster than its events are stored, stops
no other peer.

The priority connection is one that needs bytes to complete its window; it is always read, since
a frame larger than its address may hold could not be completed otherwise. What it receives as
such counts apart; that is at most one frame. Where other connections wait for the priority, it
loses it after two seconds without progress, or after ``frame_seconds``; if its address then
holds more than it may, it is closed instead.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.deadlines import Expired

ACCEPT_SHARE = 0.75
"""Above this share of the budget no connection is accepted."""
RESUME_SHARE = 0.65
"""Below this share everything is read again; lower, so that it does not alternate quickly."""
ADDRESS_SHARES = (1 / 4, 3 / 8, 1 / 2)
"""Shares at which the pressure of one address becomes HIGH, FULL and SHUT."""
MOST_SHARE = 5 / 8
"""What an address may hold after its connection lost the priority: a few reads above SHUT."""
HYSTERESIS_SHARE = 1 / 16
"""How far below its share an address must be for its pressure to fall."""
LEAST_CONNECTIONS = 4
"""A small share is a quarter of the budget divided by the connections, at least by this."""
PRIORITY_SECONDS = 2.0
TRICKLE_BYTES = 16 << 10
"""The priority connection must receive more than this in half a second to make progress."""


class Pressure(enum.IntEnum):
    """How scarce memory is, for all connections or for those of one address."""

    NONE = 0
    HIGH = 1
    """Only windows that have begun are read."""
    FULL = 2
    """For all: only the priority connection is read. For one address: connections that hold a
    small share as well."""
    SHUT = 3
    """For one address: none of its connections is read."""


ABOVE_NONE = (Pressure.HIGH, Pressure.FULL, Pressure.SHUT)


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


@dataclass(slots=True)
class _Priority:
    """The priority connection and its progress."""

    member: BudgetMember
    since: float
    progress_at: float
    """When it last received more than a trickle."""
    bytes_before: int
    """What it held when it got the priority."""
    bytes_seen: int
    """What it held at the last look."""

    @property
    def counted_apart(self) -> int:
        """Bytes it received as the priority connection."""
        return max(0, self.member.waiting_bytes - self.bytes_before)

    def look(self, now: float) -> None:
        """Note its progress."""
        if self.member.waiting_bytes - self.bytes_seen > TRICKLE_BYTES:
            self.progress_at = now
        self.bytes_seen = self.member.waiting_bytes


class ReceiveBudget:
    """Counts the bytes of every connection and pauses and resumes them."""

    def __init__(self, limits: BeatsLimits, *, now: Callable[[], float]) -> None:
        self._now = now
        # By connection, when it last had the priority.
        self._members: dict[BudgetMember, float] = {}
        self._per_ip: Counter[str] = Counter()
        self._address_pressures: dict[str, Pressure] = {}
        self._priority: _Priority | None = None
        self.held_bytes = 0
        self.pressure = Pressure.NONE
        self.is_stopped = False
        self.on_pressure: Callable[[], None] = lambda: None
        """Called when ``pressure`` has changed."""
        self.change_limits(limits)

    def change_limits(self, limits: BeatsLimits) -> None:
        self._limits = limits
        self.limit_bytes = limits.total_bytes // 2
        self._note_shares()

    def join(self, member: BudgetMember) -> None:
        self._members[member] = 0.0
        self._note_shares()

    def leave(self, member: BudgetMember) -> None:
        """The connection is closed and holds nothing any more."""
        self._members.pop(member, None)
        self._note_shares()
        if self._has_priority(member):
            self._choose_priority()

    def stop_reading(self) -> None:
        """A drain: no connection is read any more."""
        self.is_stopped = True
        for member in self._members:
            member.pause()

    def add(self, member: BudgetMember, delta: int) -> None:
        """This connection holds ``delta`` more bytes."""
        self.held_bytes += delta
        self._per_ip[member.ip] += delta
        if not self._per_ip[member.ip]:
            del self._per_ip[member.ip]
        if self._is_calm_for(member):
            return
        self.review(member)
        self._update_address(member.ip)
        self._update_pressure()

    def _is_calm_for(self, member: BudgetMember) -> bool:
        """Whether nothing is scarce, nor has become so, and this connection is read and may be:
        so it nearly always is, and nothing is left to decide."""
        return (
            not (self.pressure or self._address_pressures or self.is_stopped)
            and self._priority is None
            and self.held_bytes < self._least_scarce_bytes
            and member.waiting_bytes < self._small_share_bytes
            and member.reading
        )

    def tick(self) -> None:
        """Twice a second: give the priority to another connection, where one waits for it."""
        if self.pressure or self._address_pressures or self._priority is not None:
            self._look_at_priority()
            self._choose_priority()

    def review(self, member: BudgetMember) -> None:
        """Decide whether this one connection is read now."""
        if self._is_calm_for(member):
            return
        if self._has_priority(member) and not _wants(member):
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
        """Whether this connection holds more than a small share while memory is scarce. The
        events of its incomplete window are then admitted before the rest has come."""
        scarce = self.pressure or member.ip in self._address_pressures
        return bool(scarce) and member.waiting_bytes >= self._small_share_bytes

    def _may_read(self, member: BudgetMember) -> bool:
        if self.is_stopped:
            return False
        if self._has_priority(member) and _wants(member):
            return True
        if self.pressure == Pressure.FULL:
            return False
        held = member.waiting_bytes
        pressure = self._address_pressures.get(member.ip, Pressure.NONE)
        if pressure == Pressure.SHUT:
            return False
        if held < self._small_share_bytes:
            return True
        if held >= self._limits.connection_bytes and not member.awaits_bytes:
            return False
        if _needs_bytes(member):
            return pressure < Pressure.FULL
        return self.pressure == Pressure.NONE and pressure == Pressure.NONE

    def _note_shares(self) -> None:
        connections = max(LEAST_CONNECTIONS, len(self._members))
        self._small_share_bytes = self.limit_bytes // (4 * connections)
        # As long as all together hold less, no address holds more than its share.
        self._least_scarce_bytes = self.limit_bytes * ADDRESS_SHARES[0]

    # -- pressure ------------------------------------------------------------------------

    def _has_priority(self, member: BudgetMember) -> bool:
        return self._priority is not None and self._priority.member is member

    def _update_address(self, ip: str) -> None:
        pressure = self._address_pressure(ip)
        if pressure == self._address_pressures.get(ip, Pressure.NONE):
            return
        self._address_pressures[ip] = pressure
        if not pressure:
            del self._address_pressures[ip]
        for member in list(self._members):
            if member.ip == ip:
                self.review(member)

    def _address_pressure(self, ip: str) -> Pressure:
        """The pressure of one address, by the bytes it holds and the pressure before."""
        held, was = self._held_by(ip), self._address_pressures.get(ip, Pressure.NONE)
        pressure = Pressure.NONE
        for above, share in zip(ABOVE_NONE, ADDRESS_SHARES, strict=True):
            slack = HYSTERESIS_SHARE if was >= above else 0
            if held >= self.limit_bytes * (share - slack):
                pressure = above
        return pressure

    def _held_by(self, ip: str) -> int:
        held = self._per_ip[ip]
        is_priority = self._priority is not None and self._priority.member.ip == ip
        return held - self._counted_apart() if is_priority else held

    def _counted_apart(self) -> int:
        return 0 if self._priority is None else self._priority.counted_apart

    def _pressure_now(self) -> Pressure:
        held = self.held_bytes - self._counted_apart()
        if held >= self.limit_bytes:
            return Pressure.FULL
        share = RESUME_SHARE if self.pressure else ACCEPT_SHARE
        return Pressure.HIGH if held >= self.limit_bytes * share else Pressure.NONE

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
        """Keep the priority where it is, or give it to the connection without it for longest."""
        before = self._priority
        if before is not None and before.member in self._members and self._keeps(before):
            return
        chosen = min(self._waiting(), key=self._members.__getitem__, default=None)
        if before is None and chosen is None:
            return
        self._priority = None
        if chosen is not None:
            now, held = self._now(), chosen.waiting_bytes
            self._priority = _Priority(chosen, now, now, held, held)
            self._members[chosen] = now
        for one in (before.member if before is not None else None, chosen):
            if one is not None and one in self._members:
                self._update_address(one.ip)
                self.review(one)
        self._update_pressure()

    def _waiting(self) -> list[BudgetMember]:
        """Connections that are not read and need bytes. Those of an address that holds too much
        are left out where that address also has windows that wait for us: these free memory
        without any priority."""
        most = self.limit_bytes * MOST_SHARE
        waiting = [
            one
            for one in self._members
            if not self._has_priority(one) and not one.reading and _wants(one)
        ]
        if not any(held > most for held in self._per_ip.values()):
            return waiting
        busy = {one.ip for one in self._members if one.waiting_bytes and not one.awaits_bytes}
        return [one for one in waiting if one.ip not in busy or self._per_ip[one.ip] <= most]

    def _keeps(self, priority: _Priority) -> bool:
        member = priority.member
        if not _wants(member):  # a large frame counts apart until it was cut
            return member.is_open and priority.counted_apart > self.limit_bytes * ADDRESS_SHARES[0]
        now = self._now()
        is_stuck = now - priority.progress_at >= PRIORITY_SECONDS
        is_late = now - priority.since >= self._limits.frame_seconds
        return not ((is_stuck or is_late) and self._waiting())

    def _look_at_priority(self) -> None:
        """Close the priority connection, where it makes too little progress for what it holds."""
        priority = self._priority
        if priority is None or priority.member not in self._members:
            return
        priority.look(self._now())
        member = priority.member
        if not self._keeps(priority) and self._per_ip[member.ip] > self.limit_bytes * MOST_SHARE:
            member.expire(
                Expired(
                    "frame_timeout",
                    "a frame was not completed while others wait, and its address holds "
                    f"{self._per_ip[member.ip]} bytes, more than its share of "
                    f"{self.limit_bytes} (half of beats.limits.total_bytes)",
                )
            )


def _needs_bytes(member: BudgetMember) -> bool:
    return member.awaits_bytes and member.is_mid_window


def _wants(member: BudgetMember) -> bool:
    return member.is_open and _needs_bytes(member)

"""The limits of memory, disk and connections, and how near each one is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ptingest.doctor import units
from ptingest.doctor.server_facts import METRICS, STATUS, ServerFacts
from ptingest.model.finding import Finding

NEARLY_FULL = 0.9
FILLING = 0.75
SLOW_LOOP_SECONDS = 1.0

REACHED = {
    "ptingest_beats_rejected_connections_total": "connections refused",
    "ptingest_beats_protocol_errors_total": "connections closed for a broken wire format",
    "ptingest_beats_failed_windows_total": "windows not acked",
    "ptingest_dead_letters_dropped_events_total": "dead letters expired or pushed out",
}
"""Metric -> what it counts, of limits that were reached since the start."""
CLOSED_BY_US = {
    "held_too_long": "beats.hold_seconds: the sinks are too slow or down",
    "write_timeout": "beats.limits.write_seconds: the peer reads no acks",
    "first_byte_timeout": "beats.limits.first_byte_seconds: the peer sends nothing",
    "frame_timeout": "beats.limits.frame_seconds: the peer stalls in the middle of a frame",
    "window_timeout": "beats.limits.window_seconds: the peer never completes a window",
}


class Limit(NamedTuple):
    """One limit, and how much of it is used."""

    key: str
    """Its short name in `top`."""
    name: str
    used: float
    limit: float
    setting: str
    is_bytes: bool = True
    is_trimmed: bool = False
    """Full is not a warning: the oldest makes room for the newest."""

    @property
    def share(self) -> float:
        """From 0.0 to 1.0."""
        return min(1.0, self.used / self.limit) if self.limit > 0 else 0.0

    @property
    def is_nearly_full(self) -> bool:
        """Whether it is worth a warning."""
        return self.share >= NEARLY_FULL and not self.is_trimmed

    @property
    def is_filling(self) -> bool:
        """Whether it is worth a look, not yet a warning."""
        return FILLING <= self.share < NEARLY_FULL and not self.is_trimmed

    @property
    def shown(self) -> str:
        """What is used of what may be."""
        show = units.size if self.is_bytes else units.count
        return f"{show(self.used)} of {show(self.limit)}"


def limits_of(status: Mapping[str, Any]) -> list[Limit]:
    """Return the limits that a status shows."""
    found: list[Limit] = []

    def add(key: str, name: str, section: str, used: str, limit: str, setting: str) -> None:
        row = status.get(section) or {}
        if key not in not_here and row.get(used) is not None and row.get(limit):
            is_bytes, is_trimmed = key != "connections", key == "store"
            found.append(Limit(key, name, row[used], row[limit], setting, is_bytes, is_trimmed))

    role = status.get("role")
    of_other_roles = {"receive": {"documents"}, "index": {"unframed", "connections"}}
    not_here = of_other_roles.get(str(role), set())
    memory = "beats.limits.total_bytes (half)"
    # With both roles, documents and records of the buffer have the half together.
    shared = (
        "beats.limits.total_bytes (quarter)" if status.get("buffer") and role == "both" else memory
    )
    add("documents", "Documents outstanding", "budget", "outstanding_bytes", "limit_bytes", shared)
    add("buffer", "On the way to the buffer", "buffer", "outstanding_bytes",
        "outstanding_bytes_limit", shared)  # fmt: skip
    add("unframed", "Received, not yet framed", "beats", "waiting_bytes", "waiting_bytes_limit",
        memory)  # fmt: skip
    add("connections", "Connections", "beats", "connections", "connections_limit",
        "beats.limits.connections")  # fmt: skip
    add("dead letters", "Dead letters on disk", "dead_letters", "bytes", "limit_bytes",
        "dead_letters.max_bytes")  # fmt: skip
    add("store", "Store on disk", "store_file", "bytes", "limit_bytes",
        "sinks.store.max_bytes; the oldest documents make room")  # fmt: skip
    return found


def findings_of_limits(facts: ServerFacts) -> Iterator[Finding]:
    """Yield a warning for each limit that is reached now, a note for each that once was."""
    found = list(_reached_now(facts.status))
    yield from found
    since_the_start = list(_reached_once(facts))
    for text in since_the_start:
        cure = "the log names the peer; raise the limit only if this load is intended"
        yield Finding("note", "limits", f"since the start: {text}", cure, looked_at=METRICS)
    if not found and not since_the_start:
        yield Finding("ok", "limits", "none was reached since the start", looked_at=METRICS)


def _reached_now(status: Mapping[str, Any]) -> Iterator[Finding]:
    for limit in limits_of(status):
        if limit.is_nearly_full:
            found = f"{limit.name}: {limit.shown}, nearly full"
            cure = f"raise {limit.setting}, or find out what fills it"
            yield Finding("warning", "limits", found, cure, looked_at=STATUS)
    if (status.get("beats") or {}).get("accepting") is False:
        found = "no new connections are accepted: received bytes fill half of the memory"
        cure = "raise beats.limits.total_bytes, or find out why the sinks are slow"
        yield Finding("warning", "limits", found, cure, looked_at=STATUS)
    lag = status.get("loop_lag_seconds") or 0.0
    if lag >= SLOW_LOOP_SECONDS:
        found = f"the server paused for {units.duration(lag)} lately"
        cure = "is the machine short of CPU, or the disk slow? Keepalives are late by as much"
        yield Finding("warning", "event loop", found, cure, looked_at=STATUS)


def _reached_once(facts: ServerFacts) -> Iterator[str]:
    for name, what in REACHED.items():
        for labels, count in facts.metrics.get(name, {}).items():
            if count:
                yield f"{count:.0f} {what} ({', '.join(labels)})"
    closed = facts.metrics.get("ptingest_beats_closed_connections_total", {})
    for (reason,), count in closed.items():
        if reason in CLOSED_BY_US and count:
            yield f"{units.plural(count, 'connection')} closed, {CLOSED_BY_US[reason]}"

"""The open connections of a Beats port: their limits, their number, and what they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ptingest.model.origin import Sender
from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.connection import BeatsConnection

LISTED = 50
"""Connections listed in /status: the oldest."""


def limit_reached(
    limits: BeatsLimits, *, connections: int, from_address: int, workers: int = 1
) -> tuple[str, str] | None:
    """Which limit keeps out one more connection: its metric label, and the setting in words.

    ``workers``: how many processes share the limit for one address. It is more than 1 only for
    addresses that a load balancer named: such a limit is counted in each worker.
    """
    if connections >= limits.connections:
        return "connections", f"beats.limits.connections is {limits.connections}"
    if from_address >= -(-limits.connections_per_ip // workers):
        setting = f"beats.limits.connections_per_ip is {limits.connections_per_ip}"
        if workers > 1:
            setting += f", shared by {workers} workers behind a load balancer"
        return "connections_per_ip", setting
    return None


class ConnectionRegistry:
    """Connections in the order of their admission, also counted by address."""

    def __init__(self) -> None:
        self._connections: dict[BeatsConnection, None] = {}
        self._per_ip: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[BeatsConnection]:
        """Over a copy: what is done with one connection may end it."""
        return iter(list(self._connections))

    def __contains__(self, connection: object) -> bool:
        return connection in self._connections

    def count_from(self, ip: str) -> int:
        return self._per_ip[ip]

    def add(self, connection: BeatsConnection) -> None:
        self._connections[connection] = None
        self._per_ip[connection.ip] += 1

    def remove(self, connection: BeatsConnection) -> None:
        del self._connections[connection]
        self._per_ip[connection.ip] -= 1
        if not self._per_ip[connection.ip]:
            del self._per_ip[connection.ip]

    @property
    def open_windows(self) -> int:
        return sum(one.open_windows for one in self._connections)

    @property
    def oldest_held_since(self) -> float | None:
        """Since when a window of any connection waits for us; None where none does."""
        return min(
            (at for one in self._connections if (at := one.held_since) is not None), default=None
        )

    def rows(self, now: float) -> list[dict[str, object]]:
        """The oldest connections as /status lists them."""
        return [_row(connection, now) for connection in list(self._connections)[:LISTED]]


def _row(connection: BeatsConnection, now: float) -> dict[str, object]:
    counts, since = connection.counts, connection.held_since
    held_seconds = None if since is None else round(now - since, 1)
    return {
        "peer": connection.peer,
        "tls_subject": connection.origin.tls_subject,
        **(connection.sender or Sender())._asdict(),
        "seconds": round(now - counts.accepted_at, 1),
        "windows": counts.windows,
        "events": counts.events,
        "bytes": counts.bytes,
        "largest_window": counts.largest_window,
        "compresses": connection.reader.wire.has_compressed,
        "pipelines": counts.pipelines,
        "open_windows": connection.open_windows,
        "oldest_seconds": held_seconds,
        "waiting_bytes": connection.waiting_bytes,
        "reading": connection.reading,
        "held_seconds": held_seconds or 0.0,
    }

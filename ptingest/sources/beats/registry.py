"""The open connections of a Beats port: their limits, their number, and what they do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from ptingest.model.origin import Sender
from ptingest.settings.beats import BeatsLimits
from ptingest.sources.beats.connection import BeatsConnection

LISTED = 50
"""Connections listed in /status: the oldest."""
CLOSED_LISTED = 50
"""Closed connections that are remembered: the latest."""
CLOSED_SECONDS = 3600.0
"""For how long they are listed."""


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
        self._closed: deque[tuple[float, dict[str, object]]] = deque(maxlen=CLOSED_LISTED)

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

    def remove(self, connection: BeatsConnection, now: float) -> None:
        """Forget a connection but for one row; of one without a window nothing is kept, since
        that was a probe."""
        if connection.counts.windows:
            self._closed.append((now, _closed_row(connection, now)))
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

    def closed_rows(self, now: float) -> list[dict[str, object]]:
        """The connections that were closed lately, the latest first."""
        return [
            {**row, "closed_seconds_ago": round(now - at, 1)}
            for at, row in reversed(self._closed)
            if now - at <= CLOSED_SECONDS
        ]


def _who(connection: BeatsConnection, now: float) -> dict[str, object]:
    """What is told of a connection, open or closed; ``quiet_seconds`` is the time since its last
    window, up to ``now``."""
    counts = connection.counts
    last = counts.last_window_at
    return {
        "peer": connection.peer,
        "tls_subject": connection.origin.tls_subject,
        **(connection.sender or Sender())._asdict(),
        "seconds": round(now - counts.accepted_at, 1),
        "quiet_seconds": None if last is None else round(now - last, 1),
        "windows": counts.windows,
        "events": counts.events,
        "bytes": counts.bytes,
    }


def _closed_row(connection: BeatsConnection, now: float) -> dict[str, object]:
    return {**_who(connection, now), "reason": connection.lifecycle.reason}


def _row(connection: BeatsConnection, now: float) -> dict[str, object]:
    counts, since = connection.counts, connection.held_since
    held_seconds = None if since is None else round(now - since, 1)
    return {
        **_who(connection, now),
        "largest_window": counts.largest_window,
        "compresses": connection.reader.wire.has_compressed,
        "pipelines": counts.pipelines,
        "open_windows": connection.open_windows,
        "oldest_seconds": held_seconds,
        "waiting_bytes": connection.waiting_bytes,
        "reading": connection.reading,
        "held_seconds": held_seconds or 0.0,
    }

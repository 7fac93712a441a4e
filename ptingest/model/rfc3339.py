"""Times as text: RFC 3339 in UTC, with the letter Z."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return a time in UTC as text; ``timespec`` as in ``datetime.isoformat``."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def rfc3339_of_ns(time_ns: int, timespec: str = "milliseconds") -> str:
    """Return nanoseconds since the epoch as text."""
    return rfc3339(datetime.fromtimestamp(time_ns / 1e9, UTC), timespec)

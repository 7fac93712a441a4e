"""Filebeat's ``@timestamp``, read as Logstash's event reads it, with its minutes cached."""

from __future__ import annotations

from ptingest.pipeline.logstash.values import NANOS
from ptingest.pipeline.timestamps import read_event_time

KEPT_MINUTES = 4096
_LENGTH = len("2025-01-02T03:04:06.123Z")
_MINUTE = len("2025-01-02T03:04:")
_MILLI = 1_000_000


class SentTimes:
    """Reads times; those of one minute share the work."""

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}

    def read(self, text: str) -> int | None:
        """Return nanoseconds since 1970, or None where Logstash would take its own time."""
        if len(text) == _LENGTH and text[19] == "." and text[23] == "Z":
            second, fraction = text[17:19], text[20:23]
            if second.isdecimal() and fraction.isdecimal() and text.isascii() and second < "60":
                minute = text[:_MINUTE]
                start = self._minutes.get(minute)
                if start is None:
                    start = self._begin(minute)
                if start is not None:
                    return start + int(second) * NANOS + int(fraction) * _MILLI
        found = read_event_time(text)
        return None if found is None else found.seconds * NANOS + found.nanos

    def _begin(self, minute: str) -> int | None:
        found = read_event_time(f"{minute}00.000Z")
        if found is None:
            return None
        if len(self._minutes) >= KEPT_MINUTES:
            self._minutes.clear()
        start = self._minutes[minute] = found.seconds * NANOS
        return start

"""Averages over the last minute, hour and day of counters that only grow.

Samples are kept every ten seconds for a quarter of an hour and every five minutes for a
day: 380 short tuples whatever the traffic. A span is shown as soon as the process is old
enough to fill it, as in Logstash's ``flow``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

SAMPLE_SECONDS = 10.0
"""How often ``record`` is called."""
_COARSE_SECONDS = 300.0

SPANS: tuple[tuple[str, float], ...] = (
    ("current", SAMPLE_SECONDS),
    ("last_1_minute", 60.0),
    ("last_5_minutes", 300.0),
    ("last_15_minutes", 900.0),
    ("last_1_hour", 3600.0),
    ("last_24_hours", 86_400.0),
)


class Rates:
    """Growth a second of several counters, always given in the same order."""

    def __init__(self, now: float, counts: Sequence[float]) -> None:
        self._first = (now, tuple(counts))
        self._fine = deque([self._first], maxlen=int(900 / SAMPLE_SECONDS) + 2)
        self._coarse = deque([self._first], maxlen=int(86_400 / _COARSE_SECONDS) + 2)

    def record(self, now: float, counts: Sequence[float]) -> None:
        """Keep one sample; call it every ``SAMPLE_SECONDS``."""
        sample = (now, tuple(counts))
        self._fine.append(sample)
        if now - self._coarse[-1][0] >= _COARSE_SECONDS:
            self._coarse.append(sample)

    def of(self, place: int, now: float, count: float) -> dict[str, float]:
        """Return span -> growth a second of the counter at ``place``, ``lifetime`` included."""
        rates = {}
        for name, seconds in SPANS:
            since = self._sample_before(now - seconds)
            if since is not None:
                rates[name] = _growth(since, place, now, count)
        rates["lifetime"] = _growth(self._first, place, now, count)
        return rates

    def _sample_before(self, moment: float) -> tuple[float, tuple[float, ...]] | None:
        """The youngest sample that is at least as old as ``moment``."""
        for samples in (self._fine, self._coarse):
            for sample in reversed(samples):
                if sample[0] <= moment:
                    return sample
        return None


def _growth(since: tuple[float, tuple[float, ...]], place: int, now: float, count: float) -> float:
    seconds = now - since[0]
    return round((count - since[1][place]) / seconds, 3) if seconds > 0 else 0.0

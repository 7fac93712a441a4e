"""Bars of a histogram: their width, and the bar of a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ptingest.kql.columns import time_text
from ptingest.model.explore import Bar

MINUTE, HOUR, DAY = 60, 3600, 86_400
STEPS = (
    1, 5, 10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY,
    365 * DAY, 3650 * DAY, 36500 * DAY, 365_000 * DAY,
)  # fmt: skip
"""Seconds; each step is a whole number of some beginning of a time text."""
BARS_MOST = 60
BARS_LEAST = 12
_PREFIXES = ((DAY, 10), (HOUR, 13), (600, 15), (MINUTE, 16), (10, 18), (1, 19))
_REST = "0001-01-01T00:00:00.000Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def steps_for(first: str, last: str) -> list[int]:
    """Return the suitable steps for this range, finest first; never an empty list."""
    seconds = second_of(last) - second_of(first) + 1
    fits = [step for step in STEPS if seconds / BARS_MOST <= step <= seconds / BARS_LEAST]
    return fits or [next(step for step in STEPS if seconds / BARS_MOST <= step)]


def prefix_of(step: int) -> int:
    """Return how many characters of a time determine its step."""
    return next(length for seconds, length in _PREFIXES if step % seconds == 0)


@lru_cache(maxsize=1 << 14)
def second_of(beginning: str) -> int:
    """Return the second since the epoch of a time text, or of the beginning of one."""
    whole = beginning + _REST[len(beginning) :]
    return int((datetime.fromisoformat(whole) - _EPOCH).total_seconds() // 1)


def bars(
    counts: Counter[tuple[str, str | None]], step: int, first: str, last: str
) -> Iterable[Bar]:
    """Yield every step from ``first`` to ``last``, empty ones too, from documents counted by
    the beginning of their time and their level."""
    levels: dict[int, dict[str | None, int]] = {}
    for (beginning, level), documents in counts.items():
        one = levels.setdefault(second_of(beginning) // step, {})
        one[level] = one.get(level, 0) + documents
    numbers = range(second_of(first) // step, second_of(last) // step + 1)
    for number in sorted({*numbers, *levels}):
        yield Bar(_text(number * step, 0), _text((number + 1) * step, -1), levels.get(number, {}))


def _text(second: int, milliseconds: int) -> str:
    try:
        return time_text(_EPOCH + timedelta(seconds=second, milliseconds=milliseconds))
    except OverflowError:  # a step may reach beyond the last year
        return "0001-01-01T00:00:00.000Z" if second < 0 else "9999-12-31T23:59:59.999Z"

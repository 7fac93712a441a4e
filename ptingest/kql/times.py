"""Times as people write them in queries and options, as the store's time text.

``now``, ``now-15m``, ``2025``, ``2025-01-02``, ``2025-01-02T03:04``, ISO times with or without
an offset (without: UTC). A time with missing parts is a span from its first moment to its last
millisecond; the comparison decides which end is used, as in Elasticsearch.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ptingest.errors import QueryInvalid
from ptingest.kql.columns import time_text

MILLISECOND = timedelta(milliseconds=1)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_AGO = re.compile(r"(\d{1,9})([smhdw])")
_NOW = re.compile(r"now(?:([+-])(\d{1,9})([smhdw]))?")
_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


def span(text: str, now: datetime) -> tuple[str, str] | None:
    """Return the first and last moment of the time in ``text``, None when it is not a time."""
    text = text.strip()
    try:
        first, last = _span(text, now)
        return time_text(first.astimezone(UTC)), time_text(last.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def asked_span(value: str, now: datetime, *, query: str) -> tuple[str, str]:
    """Return the same for a value of ``@timestamp`` in a query.

    Raises:
        QueryInvalid: it is not a time; the column is its place in ``query``.
    """
    ends = span(value, now)
    if ends is None:
        raise QueryInvalid(
            query=query,
            column=max(query.find(value), 0) + 1,
            seen=f"{value!r} after @timestamp",
            expected='a time like "2025-01-02", "2025-01-02T03:04:05Z" or now-1h',
        )
    return ends


def _span(text: str, now: datetime) -> tuple[datetime, datetime]:
    if found := _NOW.fullmatch(text):
        sign, count, unit = found.groups()
        distance = int(count) * _UNITS[unit] if count else timedelta()
        moment = now - distance if sign == "-" else now + distance
        return moment, moment
    if found := _MONTH.fullmatch(text):
        return _month(int(found[1]), found[2])
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment, moment + _missing(text) - MILLISECOND


def _month(year: int, month: str | None) -> tuple[datetime, datetime]:
    first = datetime(year, int(month or 1), 1, tzinfo=UTC)
    if month is None:
        after = datetime(year + 1, 1, 1, tzinfo=UTC)
    else:
        after = (first + timedelta(days=31)).replace(day=1)
    return first, after - MILLISECOND


def _missing(text: str) -> timedelta:
    """Return the length of the span of a time, from its finest written part."""
    clock = re.split(r"[T ]", text, maxsplit=1)[1:]
    if not clock:
        return timedelta(days=1)
    parts = re.split(r"[Z+-]", clock[0], maxsplit=1)[0]
    if "." in parts or "," in parts:
        return MILLISECOND
    digits = len(parts.replace(":", ""))
    return {2: timedelta(hours=1), 4: timedelta(minutes=1)}.get(digits, timedelta(seconds=1))


def moment(text: str, now: datetime, *, is_end: bool = False) -> str | None:
    """Return the time of an option: ``15m`` is that long ago, other texts as in a query."""
    if found := _AGO.fullmatch(text.strip()):
        text = f"now-{found[0]}"
    ends = span(text, now)
    return None if ends is None else ends[1 if is_end else 0]


def asked_moment(text: str | None, now: datetime, *, name: str, is_end: bool = False) -> str | None:
    """Return the time of an option, None where there is no text.

    Raises:
        QueryInvalid: it is not a time.
    """
    if text is None or not text.strip():
        return None
    found = moment(text, now, is_end=is_end)
    if found is None:
        raise QueryInvalid(
            query=text,
            column=1,
            seen=f"{name} {text!r}",
            expected="an age as 15m, 1h or 7d, or a time as 2025-01-02 or 2025-01-02T03:04:05Z",
        )
    return found

"""The time formats of the ``date`` filter: ISO8601, UNIX, UNIX_MS, TAI64N and Joda patterns.

A format reads a field's value to milliseconds since 1970, or to None when the value is no such
time; the filter tries its formats in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from decimal import Decimal
from functools import lru_cache

from ptingest.pipeline.logstash.joda_fields import FIELDS, resolve
from ptingest.pipeline.logstash.joda_parser import OFFSET, JodaParser, offset_millis
from ptingest.pipeline.logstash.locale_names import LocaleNames
from ptingest.pipeline.logstash.values import NANOS, Value
from ptingest.pipeline.logstash.zones import MS_A_DAY, local_millis, utc_millis
from ptingest.pipeline.timestamps import civil_date, day_number, days_in_month

DateFormat = Callable[[Value, tzinfo, int], int | None]
"""Takes the value, the zone of a text without one, and the clock in nanoseconds since 1970."""

_LONG = re.compile(r"[+-]?[0-9]+")
_MOST_SECONDS = 2**31 - 1
_MOST_LONG = 2**63 - 1
_HEXADECIMAL = re.compile(r"@?([0-7][0-9A-Fa-f]{15})([0-7][0-9A-Fa-f]{7})")
_TAI_AHEAD = 10
"""Seconds that Logstash takes TAI to be ahead of UTC."""
_ISO = re.compile(
    r"(?:(?P<y>[+-]?[0-9]{1,9})(?:-(?P<M>[0-9]{1,2})(?:-(?P<d>[0-9]{1,2}))?)?"
    r"|(?P<x>[+-]?[0-9]{1,9})-[Ww](?P<w>[0-9]{1,2})(?:-(?P<e>[0-9]))?"
    r"|(?P<o>[+-]?[0-9]{1,9})-(?P<D>[0-9]{1,3}))?"
    r"(?P<T>[Tt](?:(?P<H>[0-9]{1,2})(?:[.,](?P<fH>[0-9]{1,9})|:(?P<m>[0-9]{1,2})"
    r"(?:[.,](?P<fm>[0-9]{1,9})|:(?P<s>[0-9]{1,2})(?:[.,](?P<fs>[0-9]{1,9}))?)?)?)?"
    rf"(?P<zone>{OFFSET})?)?"
)
# Joda's five parsers that Logstash tries for ISO8601: the one above, and these.
_ALMOST_ISO = (
    "yyyy-MM-dd HH:mm:ss.SSSZ", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm:ss,SSSZ",
    "yyyy-MM-dd HH:mm:ss,SSS",
)  # fmt: skip


_USUAL_MINUTE = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):")
_TWO_DIGITS = {f"{number:02d}": number for number in range(100)}
_THREE_DIGITS = {f"{number:03d}": number for number in range(1000)}
_KEPT_MINUTES = 4096
_DAY_NS = 86_400 * NANOS


def compile_date_format(text: str, names: LocaleNames) -> DateFormat:
    """Compile one format.

    Raises:
        ValueError: it is neither one of the four names nor a Joda pattern.
    """
    match text:
        case "ISO8601":
            return _iso_format(names)
        case "UNIX":
            return _unix
        case "UNIX_MS":
            return _unix_ms
        case "TAI64N":
            return _tai64n
    return _joda_format(JodaParser(text, names))


def _unix(value: Value, zone: tzinfo, now_ns: int) -> int | None:  # noqa: ARG001
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    if isinstance(value, (float, Decimal)):
        return int(value * 1000) if -_MOST_LONG < value < _MOST_SECONDS + 1 else None
    if isinstance(value, int):
        return value * 1000 if -_MOST_LONG <= value <= _MOST_SECONDS else None
    whole, point, rest = value.partition(".")
    part = rest[:3]
    if not _LONG.fullmatch(whole) or (point and not _LONG.fullmatch(part)):
        return None
    seconds = int(whole)
    if not -_MOST_LONG <= seconds <= _MOST_SECONDS:
        return None
    return seconds * 1000 + (int(part) * 10 ** (3 - len(part)) if point else 0)


def _unix_ms(value: Value, zone: tzinfo, now_ns: int) -> int | None:  # noqa: ARG001
    if isinstance(value, str):
        found = int(value) if _LONG.fullmatch(value) else None
    elif isinstance(value, Decimal):
        found = int(value) if -_MOST_LONG < value < (_MOST_SECONDS + 1) * 1000 else None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = int(value) if -_MOST_LONG <= value <= _MOST_LONG else None
    else:
        found = None
    return found if found is not None and abs(found) <= _MOST_LONG else None


def _tai64n(value: Value, zone: tzinfo, now_ns: int) -> int | None:  # noqa: ARG001
    found = _HEXADECIMAL.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    seconds = (int(found[1], 16) & (2**62 - 1)) - _TAI_AHEAD
    return seconds * 1000 + int(found[2], 16) // 1_000_000


def _joda_format(parser: JodaParser) -> DateFormat:
    def read(value: Value, zone: tzinfo, now_ns: int) -> int | None:
        if not isinstance(value, str):
            return None
        year, month, _ = _date_of(now_ns // _DAY_NS)
        millis = parser(value, zone, year=year)
        if millis is None or parser.has_year:
            return millis
        return _in_guessed_year(millis, zone, year, month)

    return read


def _in_guessed_year(millis: int, zone: tzinfo, year: int, month: int) -> int | None:
    """Move a time without a year to the year that it is most likely of.

    December seen in January is last year's, January seen in December next year's.
    """
    days, rest = divmod(local_millis(millis, zone), MS_A_DAY)
    own_year, own_month, own_day = _date_of(days)
    guess = year - (own_month == 12 and month == 1) + (own_month == 1 and month == 12)
    if own_year == guess:
        return millis
    own_day = min(own_day, days_in_month(guess, own_month))
    return utc_millis(day_number(guess, own_month, own_day) * MS_A_DAY + rest, zone)


_date_of = lru_cache(maxsize=64)(civil_date)
"""The lines of a config are of few days."""


def _iso_format(names: LocaleNames) -> DateFormat:
    others = [JodaParser(pattern, names) for pattern in _ALMOST_ISO]
    read_usual = UsualTimes().read

    def read(value: Value, zone: tzinfo, now_ns: int) -> int | None:
        if not isinstance(value, str):
            return None
        usual = read_usual(value)
        if usual is not None:
            local, is_utc = usual
            return local if is_utc or zone is UTC else utc_millis(local, zone)
        found = _ISO.fullmatch(value)
        if found is not None:
            return _iso_millis(found, zone)
        year = _date_of(now_ns // _DAY_NS)[0]
        for parser in others:
            millis = parser(value, zone, year=year)
            if millis is not None:
                return millis
        return None

    return read


class UsualTimes:
    """Reads ``2025-01-02T03:04:05`` with three digits of a second or none, and ``Z`` or nothing.

    With a space for the T the three digits must be there. The beginnings of minutes are cached:
    most lines of a config share theirs.
    """

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}

    def read(self, text: str) -> tuple[int, bool] | None:
        """Return milliseconds since 1970, and whether they are UTC; None for any other text."""
        second, rest = _TWO_DIGITS.get(text[17:19]), text[19:]
        if second is None or second > 59:
            return None
        is_utc = rest[-1:] == "Z"
        if is_utc:
            rest = rest[:-1]
        millis: int | None = 0
        if rest:
            millis = _THREE_DIGITS.get(rest[1:]) if rest[0] in ".," else None
        elif text[10] == " ":
            return None
        begin = self._minutes.get(text[:17]) or self._begin(text[:17])
        if begin is None or millis is None:
            return None
        return begin + second * 1000 + millis, is_utc

    def _begin(self, minute: str) -> int | None:
        found = _USUAL_MINUTE.fullmatch(minute)
        if found is None:
            return None
        year, month, day, hour, of_hour = map(int, found.groups())
        try:
            begin = _full_iso(year, month, day, hour, of_hour, 0)
        except ValueError:
            return None
        if len(self._minutes) >= _KEPT_MINUTES:
            self._minutes.clear()
        self._minutes[minute] = begin
        return begin


def _iso_millis(found: re.Match[str], zone: tzinfo) -> int | None:
    year, month, day, _, _, _, _, _, _, hour, _, minute, _, second, fraction, offset = (
        found.groups()
    )
    try:
        if second and day:
            local = _full_iso(int(year), int(month), int(day), int(hour), int(minute), int(second))
            local += int(fraction[:3].ljust(3, "0")) if fraction else 0
        else:
            local = _short_iso(found)
    except ValueError:
        return None
    if offset is None:
        return utc_millis(local, zone)
    east = offset_millis(offset)
    return None if east is None else local - east


def _full_iso(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        raise ValueError
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError
    return ((day_number(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000


def _short_iso(found: re.Match[str]) -> int:
    """Return the local time of a text that leaves parts out.

    Raises:
        ValueError: a part is out of its bounds, or there is neither date nor hour.
    """
    parts = found.groupdict()
    if not (parts["y"] or parts["x"] or parts["o"] or parts["H"]):
        raise ValueError
    given = [
        (FIELDS["y" if letter == "o" else letter], int(parts[letter]))
        for letter in "yoxMwDdeHms"
        if parts[letter]
    ]
    local = resolve(given, default_year=1970)
    for group, unit in (("fH", 3_600_000), ("fm", 60_000), ("fs", 1000)):
        if parts[group]:
            local += _share(parts[group], unit)
    return local


def _share(digits: str, unit: int) -> int:
    """Return a decimal fraction of a unit in milliseconds; Joda cuts each digit's part."""
    total, weight = 0, unit * 10
    for digit in digits:
        weight //= 10
        total += int(digit) * weight
    return total // 10

"""Reading time texts by Joda-Time's patterns, as the ``date`` filter does.

A pattern becomes one regular expression that gives nothing back once it has taken it, since
Joda's parsers do not try again. Numbers may have fewer digits than the pattern has letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from functools import lru_cache
from zoneinfo import available_timezones

from ptingest.pipeline.logstash.joda import JodaPart, joda_parts
from ptingest.pipeline.logstash.joda_fields import FIELDS, bounded, resolve
from ptingest.pipeline.logstash.locale_names import LocaleNames
from ptingest.pipeline.logstash.moments import weekday
from ptingest.pipeline.logstash.zones import MS_A_DAY, utc_millis, zone_of
from ptingest.pipeline.timestamps import day_number, days_in_month

OFFSET = (
    r"[Zz]|[+-][0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,3}+|(?![.,]))|(?!:))"
    r"|[0-9]{2}(?:[0-9]{2}(?:[0-9]{1,3}+|(?![0-9]))|(?![0-9]))|(?![:0-9]))"
)
_ZONES = {
    "UT": "UTC", "UTC": "UTC", "GMT": "UTC", "EST": "America/New_York", "EDT": "America/New_York",
    "CST": "America/Chicago", "CDT": "America/Chicago", "MST": "America/Denver",
    "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
}  # fmt: skip
"""The names of zones that Joda reads without being told others."""
_DIGITS = {"d": 2, "D": 3, "e": 1, "w": 2, "H": 2, "h": 2, "K": 2, "k": 2, "m": 2, "s": 2, "M": 2}
_PLAIN = set("yYMdeaHhKkmsSZ")
_KEPT_MINUTES = 4096
_OFFSET_DIGITS = re.compile(r"[0-9]+")

Convert = Callable[[str], int]


class JodaParser:
    """A compiled pattern; reads a text to milliseconds since 1970."""

    def __init__(self, pattern: str, names: LocaleNames) -> None:
        """Compile the pattern.

        Raises:
            ValueError: it is no Joda-Time pattern.
        """
        parts = joda_parts(pattern)
        self.has_year = "y" in pattern or "Y" in pattern
        """Whether the year is in the text: like Logstash, this looks for the letter alone."""
        self._groups: list[tuple[str, Convert]] = []
        """Letter and converter of each group of the expression, but for zones."""
        self._two_digit_years: set[int] = set()
        self._zone: tuple[str, int] | None = None
        expression, group = "", 0
        for part, following in zip(parts, [*parts[1:], JodaPart("", 0, "")], strict=True):
            if not part.letter:
                expression += f"(?i:{re.escape(part.text)})"
                continue
            if part.letter in "zZ":
                # An offset counts more than a zone beside it.
                if self._zone is None or self._zone[0] != "Z":
                    self._zone = (
                        part.letter if part.letter == "z" or part.length < 3 else "i",
                        group,
                    )
                self._groups.append(("", int))
            else:
                self._groups.append((_field(part.letter), _convert(part, names)))
                if part.letter in "xyY" and part.length == 2:
                    self._two_digit_years.add(group)
            expression += f"((?>{_expression(part, following, names)}))"
            group += 1
        self._match = re.compile(expression).fullmatch
        self._plain = self._plan_plain()
        self._minutes: dict[tuple[int, tuple[str, ...]], int] = {}
        self._second_at, self._fraction_at = self._places_below_a_minute()

    def __call__(self, text: str, zone: tzinfo, *, year: int) -> int | None:
        """Return the moment in milliseconds, or None when the text is no such time.

        Args:
            zone: the zone of a text without one.
            year: the current year; it completes two digits and a text without a year.
        """
        found = self._match(text)
        if found is None:
            return None
        groups = found.groups()
        try:
            local = self._local(groups, year) if self._plain else self._resolve(groups, year)
        except ValueError:
            return None
        if self._zone is None:
            return utc_millis(local, zone)
        kind, group = self._zone
        if kind == "Z":
            offset = offset_millis(groups[group])
            return None if offset is None else local - offset
        own = zone_of(_ZONES[groups[group]] if kind == "z" else groups[group])
        return None if own is None else utc_millis(local, own)

    def _places_below_a_minute(self) -> tuple[int, int]:
        """Return the groups of second and fraction; -1: it is not there.

        Second, fraction and an offset must be the last groups, else the first is -1.
        """
        letters = "".join(letter or "Z" for letter, _ in self._groups)
        found = re.search("s(S?)Z?$", letters)
        if found is None:
            return -1, -1
        return found.start(), found.start(1) if found[1] else -1

    def _local(self, groups: tuple[str, ...], year: int) -> int:
        """Return a local time the short way; beginnings of minutes are cached."""
        assert self._plain is not None
        second_at, fraction_at = self._second_at, self._fraction_at
        if second_at < 0:
            return self._plain(groups, year)
        key = (year, groups[:second_at])
        begin = self._minutes.get(key)
        if begin is None:
            rest = ["0" for _ in groups[second_at:]]
            begin = self._plain((*groups[:second_at], *rest), year)
            if len(self._minutes) >= _KEPT_MINUTES:
                self._minutes.clear()
            self._minutes[key] = begin
        millis = begin + bounded(int(groups[second_at]), 0, 59) * 1000
        if fraction_at >= 0:
            millis += self._groups[fraction_at][1](groups[fraction_at])
        return millis

    def _value(self, index: int, text: str, year: int) -> int:
        value = self._groups[index][1](text)
        if index in self._two_digit_years and len(text) == 2 and text[0] not in "+-":
            # The hundred years around the pivot, which is 30 years ago.
            low = year - 80
            value += low - low % 100 + (100 if value < low % 100 else 0)
        return value

    def _resolve(self, groups: tuple[str, ...], year: int) -> int:
        given = [
            (FIELDS[letter], self._value(index, groups[index], year))
            for index, (letter, _) in enumerate(self._groups)
            if letter
        ]
        return resolve(given, default_year=year)

    def _plan_plain(self) -> Callable[[tuple[str, ...], int], int] | None:
        """Return the short way for a full date with a time of day; None: fields go the long way.

        For these fields the order and the second setting make no difference.
        """
        places: dict[str, int] = {}
        for index, (letter, _) in enumerate(self._groups):
            if letter and (letter not in _PLAIN or letter in places):
                return None
            if letter:
                places[letter] = index
        years, hours = set("yY") & set(places), set("HkhK") & set(places)
        if not {"M", "d"} <= set(places) or len(years) > 1 or len(hours) > 1:
            return None
        return self._plain_function(places, "".join(years), "".join(hours))

    def _plain_function(
        self, places: dict[str, int], year_letter: str, hour_letter: str
    ) -> Callable[[tuple[str, ...], int], int]:
        converters = [convert for _, convert in self._groups]
        year_at, hour_at = places.get(year_letter, -1), places.get(hour_letter, -1)
        month_at, day_at, weekday_at = places["M"], places["d"], places.get("e", -1)
        half_at = places.get("a", -1) if hour_letter in ("h", "K", "") else -1
        minute_at, second_at, fraction_at = (places.get(letter, -1) for letter in "msS")
        low, modulo = {"H": (0, 24), "k": (1, 24), "h": (1, 12), "K": (0, 12), "": (0, 24)}[
            hour_letter
        ]
        value = self._value

        def read(groups: tuple[str, ...], default_year: int) -> int:
            year = default_year if year_at < 0 else value(year_at, groups[year_at], default_year)
            month = bounded(converters[month_at](groups[month_at]), 1, 12)
            day = bounded(converters[day_at](groups[day_at]), 1, days_in_month(year, month))
            days = day_number(year, month, day)
            millis = 0
            if weekday_at >= 0:
                wanted = bounded(converters[weekday_at](groups[weekday_at]), 1, 7)
                days += wanted - weekday(days)
            if half_at >= 0:
                millis = 43_200_000 * converters[half_at](groups[half_at])
            if hour_at >= 0:
                hour = bounded(int(groups[hour_at]), low, low + modulo - 1)
                millis += hour % modulo * 3_600_000
            if minute_at >= 0:
                millis += bounded(int(groups[minute_at]), 0, 59) * 60_000
            if second_at >= 0:
                millis += bounded(int(groups[second_at]), 0, 59) * 1000
            if fraction_at >= 0:
                millis += converters[fraction_at](groups[fraction_at])
            return days * MS_A_DAY + millis

        return read


@lru_cache(maxsize=256)
def offset_millis(text: str) -> int | None:
    """Return an offset of the form ``OFFSET`` in milliseconds; None when it does not exist."""
    if text in ("Z", "z"):
        return 0
    digits = "".join(_OFFSET_DIGITS.findall(text))
    hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    millis = ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(digits[6:].ljust(3, "0"))
    return -millis if text[0] == "-" else millis


def _field(letter: str) -> str:
    return "e" if letter == "E" else letter


def _expression(part: JodaPart, following: JodaPart, names: LocaleNames) -> str:
    letter, length = part.letter, part.length
    if letter in "xyY" and length == 2:
        return "[0-9]{2}" if following.is_numeric else "[+-]?[0-9]++"
    if letter in "xyY":
        most = max(length, length if following.is_numeric else 9)
        sign = "" if letter == "Y" or most == 1 else "[+-]?"
        return f"{sign}[0-9]{{1,{most}}}+"
    if letter == "C":
        return f"[+-]?[0-9]{{1,{length}}}+"
    if letter == "S":
        return f"[0-9]{{1,{length}}}+"
    if letter == "z":
        if length > 3:
            raise ValueError("a time format has zzzz: the long names of zones cannot be read")
        return "|".join(sorted(_ZONES, key=len, reverse=True))
    if letter == "Z":
        return OFFSET if length < 3 else _zone_names()
    if texts := _texts(part, names):
        return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    return f"[0-9]{{1,{max(length, _DIGITS[letter])}}}+"


def _zone_names() -> str:
    return "|".join(map(re.escape, sorted(available_timezones(), key=len, reverse=True)))


def _convert(part: JodaPart, names: LocaleNames) -> Convert:
    if part.letter == "S":
        return lambda text: int(text[:3].ljust(3, "0"))
    texts = _texts(part, names)
    return texts.__getitem__ if texts else int


def _texts(part: JodaPart, names: LocaleNames) -> dict[str, int]:
    """Return the names of a field with their values: long and short, as they are, lower, upper."""
    lists: tuple[tuple[str, ...], ...]
    match part.letter:
        case "G":
            lists, first = (names.eras, ("BCE", "CE") if names.eras == ("BC", "AD") else ()), 0
        case "a":
            lists, first = (names.halves, ()), 0
        case "E":
            lists, first = (names.days, names.short_days), 1
        case "M" if part.length >= 3:
            lists, first = (names.months, names.short_months), 1
        case _:
            return {}
    found: dict[str, int] = {}
    for name_list in lists:
        for value, name in enumerate(name_list, first):
            for form in (name, name.lower(), name.upper()):
                found.setdefault(form, value)
    return found

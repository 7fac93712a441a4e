"""Time texts to instants and back, as Logstash reads and prints them.

There are three grammars: what its date filter accepts as ``ISO8601`` (five Joda parsers tried
in turn), what its event accepts as ``@timestamp`` (java.time, lenient), and what it prints.
Years reach beyond the range of ``datetime`` (Joda has a year 0), so calendar arithmetic is done
here, on the proleptic Gregorian calendar, as both Java libraries do.

An instant is (seconds since the epoch, nanoseconds of that second).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ptingest.settings.profile import TimeSettings

CACHED_MINUTES = 4096
MAX_YEAR = 999_999_999

# Joda's ISO date-time parser requires every colon; it accepts one or two digits for most parts,
# and a comma or a point before up to nine digits.
_WITH_T = re.compile(
    r"(\d{1,9})-(\d{1,2})-(\d{1,2})T(\d{1,2}):(\d\d)(?::(\d{1,2})(?:[.,](\d{1,9}))?)?"
    r"(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
# The four other parsers require a space, seconds, and a fraction of at most three digits.
_WITH_SPACE = re.compile(
    r"(\d{1,9})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d\d):(\d{1,2})[.,](\d{1,3})(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_FULL = re.compile(
    r"(\d{1,9})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d\d)(?::(\d{1,2})(?:[.,](\d{1,9}))?)?"
    r"(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_PLAIN_DIGITS = re.compile(r"[0-9]{1,9}")
_UNIX = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9}))?")
_UNIX_MS = re.compile(r"-?[0-9]{1,15}")
_EVENT_TIME = re.compile(
    r"([+-]?)(\d{4,10})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,9}))?)?)?"
    r"(?:([Zz])|([+-])(\d\d)(?::(\d\d)(?::(\d\d))?|(\d\d)(\d\d)?)?)?",
    re.ASCII,
)
_MINUTE = re.compile(
    rb"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
)


class Instant(NamedTuple):
    """A point in time; ``nanos`` is 0 to 999,999,999 also before the epoch."""

    seconds: int
    nanos: int

    @property
    def millis(self) -> int:
        return self.seconds * 1000 + self.nanos // 1_000_000


def day_number(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar, any year."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def civil_date(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day number: the inverse of ``day_number``."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def days_in_month(year: int, month: int) -> int:
    """Number of days of a month, leap years included."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def instant_text(instant: Instant) -> str:
    """Print as Logstash does: UTC, ``Z``, three, six or nine digits, whichever suffices."""
    days, of_day = divmod(instant.seconds, 86_400)
    year, month, day = civil_date(days)
    shown = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}"
    hours, minutes = of_day // 3600, of_day // 60 % 60
    return (
        f"{shown}-{month:02d}-{day:02d}T{hours:02d}:{minutes:02d}:{of_day % 60:02d}."
        f"{_fraction_text(instant.nanos)}Z"
    )


def _fraction_text(nanos: int) -> str:
    if nanos % 1_000_000 == 0:
        return f"{nanos // 1_000_000:03d}"
    if nanos % 1000 == 0:
        return f"{nanos // 1000:06d}"
    return f"{nanos:09d}"


def read_event_time(text: str) -> Instant | None:
    """Read an ``@timestamp`` as Logstash's event does; None when it would take its own time.

    A date alone is midnight, a missing zone is UTC, a day beyond its month is the month's last
    day (java.time's SMART resolving), ``24:00:00`` is the next midnight.
    """
    found = _EVENT_TIME.fullmatch(text)
    if found is None:
        return None
    sign, year_text, month_text, day_text, hour, minute, second, fraction = found.groups()[:8]
    year = -int(year_text) if sign == "-" else int(year_text)
    if (sign == "+") != (len(year_text) > 4 and sign != "-") or (sign == "-" and year == 0):
        return None
    month, day, hours = int(month_text), int(day_text), int(hour or 0)
    minutes, seconds = int(minute or 0), int(second or 0)
    nanos = int((fraction or "").ljust(9, "0"))
    if not (1 <= month <= 12 and 1 <= day <= 31 and abs(year) <= MAX_YEAR):
        return None
    if not (minutes <= 59 and seconds <= 59 and hours <= 24):
        return None
    if hours == 24 and (minutes or seconds or nanos):
        return None
    offset = _event_offset(found)
    if offset is None:
        return None
    day = min(day, days_in_month(year, month))
    local = day_number(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds
    return Instant(local - offset, nanos)


def _event_offset(found: re.Match[str]) -> int | None:
    """Seconds east of UTC, or None when java.time refuses the offset."""
    sign, hours, colon_minutes, colon_seconds, minutes, seconds = found.groups()[9:15]
    if sign is None:
        return 0
    parts = int(hours), int(colon_minutes or minutes or 0), int(colon_seconds or seconds or 0)
    offset = parts[0] * 3600 + parts[1] * 60 + parts[2]
    if parts[1] > 59 or parts[2] > 59 or offset > 18 * 3600:
        return None
    return -offset if sign == "-" else offset


class TimeReader:
    """Reads the time text of a log line in the formats of one group."""

    def __init__(self, settings: TimeSettings, *, timezone: str, is_full: bool) -> None:
        self._formats = settings.formats
        self._is_full = is_full
        self.zone: tzinfo | None = None if timezone == "UTC" else ZoneInfo(timezone)

    @property
    def reads_iso8601_first(self) -> bool:
        """Whether no other format is tried for an ISO 8601 text."""
        return self._formats[0] == "ISO8601"

    def read(self, text: str, fraction: str | None = None) -> Instant | None:
        """Return the instant, or None when no format matches or the date does not exist.

        In parity mode everything below a millisecond is cut and ``fraction`` ignored; in full
        mode ``fraction`` (digits that a pattern cut off) is put back.
        """
        if not self._is_full:
            instant = self._first_fit(text)
            return instant and Instant(instant.seconds, instant.nanos // 1_000_000 * 1_000_000)
        return self.read_fully(text, fraction)

    def read_fully(self, text: str, fraction: str | None = None) -> Instant | None:
        """Read all digits and every form that has one meaning, in either mode."""
        if fraction is not None and _PLAIN_DIGITS.fullmatch(fraction):
            joined = self._iso(_FULL, f"{text}.{fraction}")
            if joined is not None:
                return joined
        return self._iso(_FULL, text) or self._first_fit(text)

    def _first_fit(self, text: str) -> Instant | None:
        for name in self._formats:
            instant = self._read_as(name, text)
            if instant is not None:
                return instant
        return None

    def _read_as(self, name: str, text: str) -> Instant | None:
        if name == "ISO8601":
            return self._iso(_WITH_T, text) or self._iso(_WITH_SPACE, text)
        if name == "UNIX":
            found = _UNIX.fullmatch(text)
            return found and _unix_instant(found)
        if name == "UNIX_MS":
            if not _UNIX_MS.fullmatch(text):
                return None
            seconds, millis = divmod(int(text), 1000)
            return Instant(seconds, millis * 1_000_000)
        return self._strptime(name, text)

    def _strptime(self, name: str, text: str) -> Instant | None:
        try:
            # A text without a zone is naive on purpose: the zone is applied below.
            moment = datetime.strptime(text, name)  # noqa: DTZ007
        except ValueError:
            return None
        parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
        offset = moment.utcoffset()
        if offset is None:
            seconds = self._utc_seconds(*parts)
        else:
            seconds = _naive_seconds(*parts) - round(offset.total_seconds())
        return None if seconds is None else Instant(seconds, moment.microsecond * 1000)

    def _iso(self, grammar: re.Pattern[str], text: str) -> Instant | None:
        found = grammar.fullmatch(text)
        if found is None:
            return None
        *numbers, fraction, zone = found.groups()
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
            return None
        if hour > 23 or minute > 59 or second > 59:
            return None
        if zone is None:
            seconds = self._utc_seconds(year, month, day, hour, minute, second)
        else:
            offset = _iso_offset(zone)
            local = _naive_seconds(year, month, day, hour, minute, second)
            seconds = None if offset is None else local - offset
        return None if seconds is None else Instant(seconds, int((fraction or "").ljust(9, "0")))

    def _utc_seconds(
        self, year: int, month: int, day: int, hour: int, minute: int, second: int
    ) -> int | None:
        """Seconds since the epoch of a local time; None in the gap of spring.

        Of a time that happens twice the earlier one is taken, as in Joda and as ``fold=0``.
        """
        local = _naive_seconds(year, month, day, hour, minute, second)
        if self.zone is None:
            return local
        # datetime holds the years 1 to 9999; outside of it, 400 years later the calendar is the
        # same.
        known = year if 1 < year < 9999 else (400 if year <= 1 else 9200) + year % 400
        naive = datetime(known, month, day, hour, minute, second)  # noqa: DTZ001
        offset = naive.replace(tzinfo=self.zone).utcoffset() or timedelta()
        back = (naive - offset).replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)
        return None if back != naive else local - round(offset.total_seconds())

    def nearest_seconds(
        self, year: int, month: int, day: int, hour: int, minute: int, offset: int | None
    ) -> int:
        """Seconds since the epoch of any minute, also one that does not exist.

        ``offset`` is seconds east of UTC, None for a local time.
        """
        day = min(day, days_in_month(year, month))
        seconds = self._utc_seconds(year, month, day, hour, minute, 0) if offset is None else None
        if seconds is not None:
            return seconds
        return _naive_seconds(year, month, day, hour, minute, 0) - (offset or 0)


def _naive_seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    return day_number(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second


def _iso_offset(zone: str) -> int | None:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def _unix_instant(found: re.Match[str]) -> Instant:
    whole, nanos = int(found.group(1)), int((found.group(2) or "").ljust(9, "0"))
    if found.group(1).startswith("-") and nanos:
        return Instant(whole - 1, 1_000_000_000 - nanos)
    return Instant(whole, nanos)


class Minute(NamedTuple):
    """One minute of log time, to be completed with seconds and milliseconds."""

    opening: bytes
    """``2025-01-02T03:04:`` in UTC."""
    millis: int
    """Milliseconds since the epoch at its start."""


class MinuteCache(dict[bytes, Minute | None]):
    """Cached minutes: lines of one file share their first sixteen characters.

    Keys are ``2025-01-02T03:04`` or the same with a space. A value of None means that this
    minute must be read in full: it has another form, does not exist, or its zone differs from
    UTC by odd seconds.
    """

    def __init__(self, reader: TimeReader) -> None:
        self._reader = reader

    def __missing__(self, prefix: bytes) -> Minute | None:
        if _MINUTE.fullmatch(prefix) is None:
            return None
        if len(self) >= CACHED_MINUTES:
            self.clear()
        text = prefix.decode("ascii").replace(" ", "T")
        instant = self._reader.read_fully(f"{text}:00")
        minute = None
        if instant is not None and instant.seconds % 60 == 0:
            opening = instant_text(instant)[: -len("00.000Z")]
            minute = Minute(opening.encode("ascii"), instant.millis)
        self[prefix] = minute
        return minute

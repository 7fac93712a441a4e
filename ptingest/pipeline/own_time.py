"""The time in a line itself, when no pattern captured one.

A key needs a time that is the same when the line is read again, and Filebeat's is not. The
first text of a known form in the first 64 KiB of the line is used:

    2025-01-02T03:04:05.678Z     ISO 8601 and similar; 2025/01/02 03:04:05 as in nginx's errors
    02/Jan/2025:03:04:05 +0000   access logs, Redis, HTTP dates
    Thu Jan  2 03:04:05 2025     ctime; Jan 02 2025 03:04:05 as in JavaScript's dates
    [I 250102 03:04:05           Tornado's

When there is none and the line is a JSON object: the first epoch number in a member named
``time``, ``timestamp``, ``@timestamp``, ``ts`` or ``msec`` (nginx), in seconds to nanoseconds.

A time without a date or a year is not used: at the same place of a file that was truncated and
written again, the same line may be another event. A time without a zone is read in the
profile's zone. The text itself is in the message and so in the hash; the result decides that
Filebeat's time is not hashed, and gives the time that a key begins with.

Nearly every line is searched for a clock time only, since all dates are directly before one.
Each of the searches is linear, since every form has a bounded length.
"""

from __future__ import annotations

import re

import msgspec

from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.timestamps import TimeReader

SEARCHED_BYTES = 1 << 16
"""Bytes of a line that are searched."""
SEARCHED_CLOCKS = 32
"""Clock times without a date that are examined in one line."""
_BEFORE, _AFTER = len("02/Jan/2025:03:"), len("04:05.123456789 GMT+00:00 2025 ")
"""Bytes of a time on either side of the colon after its hour, at most."""
_ACCESS_BYTES = len("02/Jan/2025:03:04:05 +0000")
_ISO_DATE_BYTES, _ISO_REST_BYTES = len("2025-01-02T03:"), len("04:05")
_HOUR_BYTES, _REST_BYTES = len(":03:"), len("04:05.678 Z")
_BEFORE_FRACTION, _SIGNS = frozenset(b".,"), frozenset(b"+-")
_COLON, _SPACE, _Z = b": Z"
_CONTINUES = frozenset(b" ZUG+-0123456789")
"""What a zone begins with, and further digits of a fraction."""
_SECONDS = {b":%02d" % second: second * 1000 for second in range(61)}
_MILLIS = {b"%03d" % millis: millis for millis in range(1000)}
_DIGITS_AS_ZERO = bytes.maketrans(b"0123456789", b"0000000000")

_NAME, _YEAR, _DAY = "[a-z]{2}", "[0-9]{4}", "(?:0?[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
_SECOND = r":(?:[0-5][0-9]|60)(?:[.,][0-9]{1,9})?"
_ZONE = r"(?: ?(?:Z|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?|UTC|GMT))?"
# The colon after an hour; searching for a single colon is fast.
_find_clock = re.compile(
    rb":(?=[0-5][0-9])"
    rb"(?:(?<=[0-9][T ][012][0-9]:)|(?<=[0-9]{4}:[012][0-9]:)|(?<=[0-9][T ][0-9]:))"
).search
# Begins with one class of characters, so that the search skips to it fast.
_find_time = re.compile(
    "[0-9JFMASOND](?:(?<=[0-9])(?:"
    rf"[0-9]{{3}}([-/])(?:0?[1-9]|1[0-2])\1{_DAY}[T ]{_CLOCK}(?:{_SECOND})?{_ZONE}"
    f"|[0-9]?[/ -][JFMASOND]{_NAME}[/ -]{_YEAR}[: ]{_CLOCK}{_SECOND}{_ZONE}"
    rf"|(?<=\[[A-Z] [0-9])[0-9]{{5}} {_CLOCK}{_SECOND}"
    f")|(?<=[A-Z]){_NAME} {{1,2}}{_DAY} "
    f"(?:{_CLOCK}{_SECOND} (?:[A-Z]{{3,4}} )?{_YEAR}|{_YEAR} {_CLOCK}{_SECOND}{_ZONE}))".encode()
).search
_find_epoch = re.compile(
    rb'"(?:@?timestamp|time|msec|ts)"[ \t]{0,8}:[ \t]{0,8}"?'
    rb"([0-9]{10}(?:[0-9]{3}|[0-9]{6}|[0-9]{9})?(?:\.[0-9]{1,9})?)(?![0-9])"
).search
_DATES = [
    re.compile(date)
    for date in (
        r"(?P<year>[0-9]{4})[-/](?P<month>[0-9]{1,2})[-/](?P<day>[0-9]{1,2})[T ]",
        r"(?P<day>[0-9]{1,2})[/ -](?P<name>[A-Z][a-z]{2})[/ -](?P<year>[0-9]{4})[: ]",
        r"(?P<short_year>[0-9]{2})(?P<month>[0-9]{2})(?P<day>[0-9]{2}) ",
        r"(?P<name>[A-Z][a-z]{2}) {1,2}(?P<day>[0-9]{1,2}) (?P<year>[0-9]{4}) ",
        r"(?P<name>[A-Z][a-z]{2}) {1,2}(?P<day>[0-9]{1,2}) (?=.* (?P<year>[0-9]{4})\Z)",
    )
]
_REST = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)? ?"
    r"(Z|UTC|GMT)?(?:([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_ISO = re.compile(
    rb"([0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}[T ][0-9]{1,2}:[0-9]{2}):([0-9]{2})"
    rb"(?:[.,]([0-9]{1,9}))?([^:.,].*)?"
).fullmatch
"""Minute, second, fraction and zone of a time that was found."""
_decode_text = msgspec.json.Decoder(str).decode
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


OwnTime = tuple[bytes, int]
"""A time as the line has it, and in milliseconds since 1970. No named tuple, which takes as long
to make as the time to find."""


def _has_year(window: bytes) -> bool:
    """Whether four digits stand before the colon after an hour, or behind a space: all forms of a
    time have the year at one of these places."""
    shape = window.translate(_DIGITS_AS_ZERO)
    # Not by ``in``, which asks by way of an exception whether the bytes are one number.
    return shape.find(b" 0000") >= 0 or shape.find(b"0000", 0, _BEFORE) >= 0


class OwnTimes(dict[bytes, "OwnTime | None"]):
    """Finds the own times of one group's lines; caches the texts seen, since the lines of one
    second have the same one."""

    def __init__(self, reader: TimeReader) -> None:
        self._reader = reader
        self._minutes: dict[bytes, int | None] = {}

    def find(self, line: bytes, start: int = 0, end: int | None = None) -> OwnTime | None:
        """Return the first time of a line, passed as UTF-8 from ``start`` to ``end``."""
        if end is None:
            end = len(line)
        if end - start > SEARCHED_BYTES:
            end = start + SEARCHED_BYTES
        colon = line.find(b":", start, end)
        if colon >= 0:
            # Nearly always the time is at the line's first colon, which ends its hour, or in an
            # access log its year. Without a colon there is no time that is not a number.
            ends_year = colon + 6 < end and line[colon + 6] == _COLON
            hour_end = colon + (4 if ends_year else 1)
            time = self._known(line, start, hour_end, end)
            if time is None:
                time = self._search(line, start, colon, end, unknown=hour_end)
            if time is not None:
                return time
        if line[start : start + 1] != b"{":
            return None
        found = _find_epoch(line, start, end)
        return self[found.group(1)] if found else None

    def _search(
        self, line: bytes, start: int, position: int, end: int, *, unknown: int
    ) -> OwnTime | None:
        """Return the first time whose hour ends behind a position; there is no known one at
        ``unknown``."""
        for _ in range(SEARCHED_CLOCKS):
            clock = _find_clock(line, position, end)
            if clock is None:
                break
            position = clock.end()
            if position != unknown:
                time = self._known(line, start, position, end)
                if time is not None:
                    return time
            before, after = position - _BEFORE, position + _AFTER
            if not _has_year(line[max(start, before) : min(end, after)]):
                continue
            found = _find_time(line, max(start, before), min(end, after))
            if found and found.start() < position and (time := self[found.group()]) is not None:
                return time
        return None

    def _known(self, line: bytes, start: int, position: int, end: int) -> OwnTime | None:
        """Return the time whose hour and colon end at a position, if it is in one of the two most
        frequent forms and like one that was read before.

        That needs no search: an access log's time ends with its zone, so that nothing can follow
        it; and whatever ``_find_time`` could find before a date of ISO 8601 has no digits where
        this one has some.
        """
        begin, close = position - _ISO_DATE_BYTES, position + _ISO_REST_BYTES
        if begin < start or position + _REST_BYTES > end:
            return None
        if line[position - _HOUR_BYTES] == _COLON:
            if begin == start:
                return None
            time = self.get(line[begin - 1 : begin - 1 + _ACCESS_BYTES])
            return time if time is not None and time[0][-5] in _SIGNS else None
        minute, follows = line[begin : position + 2], line[close]
        millis = _SECONDS.get(line[position + 2 : close])
        if millis is None:
            return None
        if follows in _BEFORE_FRACTION:
            fraction = _MILLIS.get(line[close + 1 : close + 4])
            if fraction is None:
                return None
            millis += fraction
            close += 4
            follows = line[close]
        if follows in _CONTINUES:
            if follows == _Z:
                minute += b"Z"
                close += 1
            elif follows != _SPACE or line[close + 1] in _CONTINUES:
                return None
        found = self._minutes.get(minute)
        return None if found is None else (line[begin:close], found + millis)

    def find_in_text(self, text: str) -> OwnTime | None:
        """Return the same for a text."""
        return self.find(text[:SEARCHED_BYTES].encode("utf-8", "replace"))

    def find_in_json(self, raw: bytes) -> OwnTime | None:
        """Return the same for a text as JSON, which is rarely decoded."""
        escape = raw.find(b"\\")
        found = self.find(raw, 1, len(raw) - 1 if escape < 0 else escape)
        # The bytes before the first escape do not change when they are decoded.
        if escape >= 0 and (found is None or raw.endswith(found[0], 1, escape)):
            return self.find_in_text(_decode_text(raw))
        return found

    def __missing__(self, text: bytes) -> OwnTime | None:
        found = _ISO(text)
        millis = (
            self._millis(text.decode("ascii"))
            if found is None
            else self._of_iso(*found.groups(b""))
        )
        time = None if millis is None else (text, millis)
        remember(self, text, time)
        return time

    def _of_iso(self, minute: bytes, second: bytes, fraction: bytes, zone: bytes) -> int | None:
        """Read the most frequent form, which is new with each millisecond but not each minute."""
        begin = minute + zone
        try:
            start = self._minutes[begin]
        except KeyError:
            start = self._millis(begin.decode("ascii"))
            remember(self._minutes, begin, start)
        if start is None:
            return None
        return start + int(second) * 1000 + int(fraction[:3].ljust(3, b"0"))

    def _millis(self, text: str) -> int | None:
        if text[:10].isdigit():
            whole, _, fraction = text.partition(".")
            # Ten digits are seconds until the year 2286; each three further digits divide the
            # unit by a thousand.
            digits = (whole + fraction)[:13].ljust(13, "0")
            return int(digits)
        for date in _DATES:
            found = date.match(text)
            if found is not None:
                return self._of_date(found.groupdict(), text[found.end() :])
        return None

    def _of_date(self, date: dict[str, str | None], rest: str) -> int | None:
        name, clock = date.get("name"), _REST.match(rest)
        if clock is None or (name is not None and name not in _MONTHS):
            return None
        month = _MONTHS.index(name) + 1 if name else int(date["month"] or 0)
        year = int(date.get("year") or "20" + (date.get("short_year") or ""))
        hour, minute, second, fraction, utc, sign, hours, minutes = clock.groups()
        offset = None if utc is None and sign is None else 0
        if sign is not None:
            offset = (int(hours) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1)
        day = int(date["day"] or 0)
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return None
        seconds = self._reader.nearest_seconds(year, month, day, int(hour), int(minute), offset)
        return (seconds + int(second or 0)) * 1000 + int((fraction or "").ljust(3, "0")[:3])

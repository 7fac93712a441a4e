"""Lines to encoded fields: the short way through parse, classify and timestamp.

A line is split at its first three ``|``, still as raw JSON bytes, where its group has the two
patterns ``{word}|{data}|{timestamp}.{int}|{rest}`` and ``{word}|{data}|{timestamp}|{rest}``
first; level, logger, minute, second and fraction are then looked up among those seen. That
is grok's answer, too, because

* the head is at the first line start, and the logger holds no ``|``, so that the second
  ``|`` is the first place where either pattern's time can stand;
* where the time is followed by ``.``, digits and ``|``, the first pattern fits there;
* otherwise it could only fit further on, which needs another ``|`` in the rest, plain or
  as an escape: those lines are left to the searches.

Other lines are decoded and searched. A property test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from ptingest.pipeline.classify import Classifier, Label
from ptingest.pipeline.encode import encode_value
from ptingest.pipeline.group import Group
from ptingest.pipeline.timestamps import MinuteCache, TimeReader, instant_text
from ptingest.settings.profile import LINE_PIECE, GroupSettings

CACHED_LOGGERS = 8192

State = Literal[0, 1, 2]
FINE: State = 0
NO_MATCH: State = 1
NO_DATE: State = 2

# A level with the quote that opens its message.
_LEVEL = re.compile(rb'"[A-Za-z0-9_]+').fullmatch
# What may follow the seconds in a time of usual width; others are left to the searches.
_FRACTION = re.compile(rb"(?:([.,])([0-9]{3}))?(Z?)").fullmatch
_PIPE, _BACKSLASH, _SPACE = b"|\\ "
_LONGEST_NAME = 256
"""Longer levels and loggers are not remembered, so that caches stay small."""

# What a second time further on would begin with, and how a `|` may hide.
_PERHAPS_TIME = re.compile(rb"\|[0-9][0-9]").search
_HIDDEN_PIPE = re.compile(rb"\\u007[cC]").search


class Line(msgspec.Struct, frozen=True, gc=False):
    """What a message adds to its document."""

    state: State
    fields: bytes
    """Encoded, each with a comma before it: the captures and what their label sets."""
    printed: bytes | None = None
    """The time as ``@timestamp``, None where Filebeat's stays."""
    time_text: str | None = None
    """The time as the line has it."""
    millis: int = 0
    """The time of the line for the key; only with ``time_text``."""
    is_loose: bool = False


_Ending = tuple[State, bytes | None, int]
"""State, end of the printed time, milliseconds for the key."""


class Fraction(NamedTuple):
    """What follows the seconds of a time, and what comes of it."""

    is_cut: bool
    """A point and three digits without a zone: the first pattern fits and cuts them off."""
    is_utc: bool
    digits: bytes
    with_t: _Ending
    with_space: _Ending


ReadLine = Callable[[bytes, str], Line]


class LineReader:
    """Reads the lines of one group; remembers loggers and minutes."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._is_full = group.profile.timestamp_precision == "full"
        self._no_match = Line(NO_MATCH, _encoded(group.classifier.otherwise.fields))
        names = _plain_names(group.settings)
        self._local = MinuteCache(group.time_reader)
        self._utc = MinuteCache(TimeReader(group.settings.time, timezone="UTC", is_full=True))
        self._loggers = _Loggers(group)
        self._levels = _Levels()
        self._fractions = _Fractions(is_full=self._is_full)
        self._seconds = {b":%02d" % number: number * 1000 for number in range(60)}
        self.read: ReadLine = self._make_reader(names) if names else self._read_searched
        """Reads a message, given as raw JSON and decoded."""

    def _make_reader(self, names: tuple[bytes, ...]) -> ReadLine:
        """Return the reader of lines that split; what it needs at each is bound once."""
        log_level, log_timestamp, log_ms, log_message = names
        seconds_of, fractions, searched = self._seconds.get, self._fractions, self._searched
        local, utc, loggers, levels = self._local, self._utc, self._loggers, self._levels

        def read(raw: bytes, message: str) -> Line:
            parts = raw.split(b"|", 3)
            if len(parts) != 4:
                return searched(message)
            level, logger, time, rest = parts
            seconds = seconds_of(time[16:19])
            fraction = fractions[time[19:]] if len(time) < 25 else None
            if seconds is None or fraction is None:
                return searched(message)
            is_cut, is_utc, digits, with_t, with_space = fraction
            if not is_cut and (_PIPE in rest or _BACKSLASH in rest) and _may_hold_time(rest):
                return searched(message)
            minute = (utc if is_utc else local)[time[:16]]
            labelled = loggers[logger]
            level = levels[level]
            if minute is None or not labelled or not level:
                return searched(message)
            opening, minute_millis = minute
            state, ending, millis = with_space if time[10] == _SPACE else with_t
            printed = None if ending is None else opening + time[17:19] + ending
            # The rest still holds the quote that closes the message.
            text = log_message + rest if len(rest) > 1 else rest
            if is_cut:
                time = time[:19]
                text = log_ms + digits + text
            pieces = b"".join((log_level, level, log_timestamp, time, text, labelled))
            return Line(state, pieces, printed, time.decode(), minute_millis + seconds + millis)

        return read

    def _label(self, name: str | None) -> Label:
        return _label_of(self._group.classifier, name)

    # --- the searches ---------------------------------------------------------------------

    def _read_searched(self, raw: bytes, message: str) -> Line:
        del raw
        return self._searched(message)

    def _searched(self, message: str) -> Line:
        parsed = self._group.parser.parse(message)
        if parsed is None:
            return self._no_match
        captures = parsed.captures
        settings = self._group.settings.time
        label = self._label(captures.get(self._group.classifier.field))
        fields = _encoded(captures) + _encoded(label.fields)
        text = captures.get(settings.field)
        if text is None:
            return Line(FINE, fields, is_loose=parsed.is_loose)
        fraction = captures.get(settings.fraction_field or "")
        reader = self._group.time_reader
        instant = None if text == "false" else reader.read(text, fraction)
        if instant is not None:
            printed = instant_text(instant).encode("ascii")
            return Line(FINE, fields, printed, text, instant.millis, parsed.is_loose)
        captured = reader.read_fully(text, fraction)
        state = FINE if text == "false" else NO_DATE
        millis = 0 if captured is None else captured.millis
        return Line(state, fields, None, text, millis, parsed.is_loose)


class _Loggers(dict[bytes, bytes]):
    """Encoded names and labels of the loggers seen; nothing for those with escapes."""

    def __init__(self, group: Group) -> None:
        self._classifier = group.classifier

    def __missing__(self, logger: bytes) -> bytes:
        if len(logger) > _LONGEST_NAME or _BACKSLASH in logger:
            return b""
        if len(self) >= CACHED_LOGGERS:
            self.clear()
        name = logger.decode("utf-8")
        field = {self._classifier.field: name} if name else {}
        label = _label_of(self._classifier, name or None)
        # A space stands for nothing to add, which is not the same as not knowing.
        encoded = self[logger] = _encoded({**field, **label.fields}) or b" "
        return encoded


class _Levels(dict[bytes, bytes]):
    """Levels seen, without their quote; nothing for what is no word."""

    def __missing__(self, level: bytes) -> bytes:
        if len(level) > _LONGEST_NAME or _LEVEL(level) is None:
            return b""
        if len(self) >= CACHED_LOGGERS:
            self.clear()
        word = self[level] = level[1:]
        return word


class _Fractions(dict[bytes, Fraction | None]):
    """What may follow the seconds: some 4,000 texts, each decided once."""

    def __init__(self, *, is_full: bool) -> None:
        self._is_full = is_full

    def __missing__(self, text: bytes) -> Fraction | None:
        found = _FRACTION(text)
        if found is None:
            return None
        point, digits, zulu = found.groups()
        is_cut = point == b"." and not zulu
        millis = int(digits or 0)
        ending = b".%bZ" % (digits or b"000")
        with_t: _Ending = (FINE, ending, millis)
        with_space = with_t
        if not self._is_full:
            if is_cut:
                with_t = (FINE, b".000Z", 0)
            if is_cut or digits is None:
                with_space = (NO_DATE, None, millis)
        fraction = Fraction(is_cut, zulu == b"Z", digits or b"", with_t, with_space)
        self[text] = fraction
        return fraction


def _label_of(classifier: Classifier, name: str | None) -> Label:
    return classifier.otherwise if name is None else classifier.classify(name)


def _may_hold_time(rest: bytes) -> bool:
    """Whether the first pattern might fit further on, beginning with the line's third ``|``."""
    if _BACKSLASH in rest and b"\\u" in rest:
        return _PIPE in rest or _HIDDEN_PIPE(rest) is not None
    return _PIPE in rest and (rest[:1].isdigit() or _PERHAPS_TIME(rest) is not None)


def _encoded(fields: object) -> bytes:
    """Encode an object's members, each with a comma before it."""
    inner = encode_value(fields)[1:-1]
    return b"," + inner if inner else b""


def _plain_names(settings: GroupSettings) -> tuple[bytes, ...] | None:
    """Openings of the fields of the anchored match, None where the group has other patterns."""
    lines = [pattern.line or "" for pattern in settings.patterns[:2]]
    pieces = [LINE_PIECE.findall(line) for line in lines]
    kinds = [[kind for kind, _ in each] for each in pieces]
    if kinds != [
        ["word", "data", "timestamp", "int", "rest"],
        ["word", "data", "timestamp", "rest"],
    ]:
        return None
    level, logger, time, millis, rest = (field for _, field in pieces[0])
    shapes = (
        f"{{word:{level}}}|{{data:{logger}}}|{{timestamp:{time}}}.{{int:{millis}}}|{{rest:{rest}}}",
        f"{{word:{level}}}|{{data:{logger}}}|{{timestamp:{time}}}|{{rest:{rest}}}",
    )
    is_usual = (
        tuple(lines) == shapes
        and settings.time.field == time
        and settings.time.fraction_field == millis
        and settings.time.formats == ("ISO8601",)
        and settings.categories.field == logger
    )
    if not is_usual:
        return None
    names = [encode_value(name) for name in (level, time, millis, rest)]
    return (b',%b:"' % names[0], *(b'",%b:"' % name for name in names[1:]))

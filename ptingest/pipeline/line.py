"""Lines to encoded fields: the short way through parse, classify and timestamp.

A line is decided on its raw JSON bytes by one anchored match where its group has the two
patterns ``{word}|{data}|{timestamp}.{int}|{rest}`` and ``{word}|{data}|{timestamp}|{rest}``
first. That is grok's answer, too, because

* the head is at the first line start, and the logger holds no ``|``, so that the second
  ``|`` is the first place where either pattern's time can stand;
* where the time is followed by ``.``, digits and ``|``, the first pattern fits there;
* otherwise it could only fit further on, which needs another ``|`` in the rest, plain or
  as an escape: those lines are left to the searches.

Other lines are decoded and searched. A property test holds the two equal.
"""

from __future__ import annotations

import re
from typing import Literal

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

# A time in its usual width; what is outside these ranges, or wider, is left to the searches.
_PLAIN_LINE = re.compile(
    rb'"([A-Za-z0-9_]+)\|([^|\\"]*)\|'
    rb"([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
    rb':[0-5][0-9](?:[.,][0-9]{3})?Z?)\|(.*)"',
    re.DOTALL,
).fullmatch
_PIPE, _BACKSLASH, _POINT, _SPACE, _ZULU = b"|\\. Z"
_WITH_FRACTION = len("2025-01-02T03:04:05.678")

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


class LineReader:
    """Reads the lines of one group; remembers loggers and minutes."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._is_full = group.profile.timestamp_precision == "full"
        self._no_match = Line(NO_MATCH, _encoded(group.classifier.otherwise.fields))
        self._names = _plain_names(group.settings)
        self._local = MinuteCache(group.time_reader)
        self._utc = MinuteCache(TimeReader(group.settings.time, timezone="UTC", is_full=True))
        self._loggers = _Loggers(group)
        # Looking up beats converting: two digits of seconds and three of milliseconds.
        self._millis = {b"%02d" % number: number * 1000 for number in range(60)}
        self._millis |= {b"%03d" % number: number for number in range(1000)}

    def read(self, raw: bytes, message: str) -> Line:
        """Read a message, given as raw JSON and decoded."""
        if self._names is not None:
            found = _PLAIN_LINE(raw)
            line = found and self._plain(found, self._names)
            if line is not None:
                return line
        return self._searched(message)

    # --- the anchored match ---------------------------------------------------------------

    def _plain(self, found: re.Match[bytes], names: tuple[bytes, ...]) -> Line | None:
        level, logger, time, rest = found.groups()
        # Only with a point, three digits and no zone the first pattern fits, and cuts them off.
        is_cut = len(time) == _WITH_FRACTION and time[19] == _POINT
        if not is_cut and (_PIPE in rest or _BACKSLASH in rest) and _may_hold_time(found, rest):
            return None
        minute = (self._utc if time[-1] == _ZULU else self._local)[time[:16]]
        if minute is None:
            return None
        labelled = self._loggers[logger]
        log_level, log_timestamp, log_ms, log_message, end = names
        if not rest:
            log_message = b""
        seconds, digits = time[17:19], time[20:23]
        has_digits = len(digits) == 3
        millis = minute.millis + self._millis[seconds]
        if has_digits:
            millis += self._millis[digits]
        shown = (time[:19], log_ms, digits) if is_cut else (time,)
        fields = b"".join(
            (log_level, level, log_timestamp, *shown, log_message, rest, end, labelled)
        )
        text = (time[:19] if is_cut else time).decode()
        if not self._is_full:
            if time[10] == _SPACE and (is_cut or not has_digits):
                return Line(NO_DATE, fields, None, text, millis)
            if is_cut:
                millis -= self._millis[digits]
                has_digits = False
        if has_digits:
            return Line(FINE, fields, b"%b%b.%bZ" % (minute.opening, seconds, digits), text, millis)
        return Line(FINE, fields, b"%b%b.000Z" % (minute.opening, seconds), text, millis)

    def _label(self, name: str | None) -> Label:
        return _label_of(self._group.classifier, name)

    # --- the searches ---------------------------------------------------------------------

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
    """Encoded names and labels of the loggers seen; the keys hold no escapes."""

    def __init__(self, group: Group) -> None:
        self._classifier = group.classifier

    def __missing__(self, logger: bytes) -> bytes:
        if len(self) >= CACHED_LOGGERS:
            self.clear()
        name = logger.decode("utf-8")
        field = {self._classifier.field: name} if name else {}
        label = _label_of(self._classifier, name or None)
        encoded = self[logger] = _encoded({**field, **label.fields})
        return encoded


def _label_of(classifier: Classifier, name: str | None) -> Label:
    return classifier.otherwise if name is None else classifier.classify(name)


def _may_hold_time(found: re.Match[bytes], rest: bytes) -> bool:
    """Whether the first pattern might fit further on, beginning with the line's third ``|``."""
    if _BACKSLASH in rest and b"\\u" in rest:
        return _PIPE in rest or _HIDDEN_PIPE(rest) is not None
    return _PIPE in rest and _PERHAPS_TIME(found.string, found.start(4) - 1) is not None


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
    return (b',%b:"' % names[0], *(b'",%b:"' % name for name in names[1:]), b'"')

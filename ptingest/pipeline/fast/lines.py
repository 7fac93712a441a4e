"""Lines to encoded fields: parse, classify and timestamp in the fast path.

When a group has the two patterns ``{word}|{data}|{timestamp}.{int}|{rest}`` and
``{word}|{data}|{timestamp}|{rest}`` first, a line is split at its first three ``|`` while it is
raw JSON bytes; level, logger, minute, second and fraction are then looked up in caches. The
result is grok's, because

* the head is at the first line start, and the logger holds no ``|``, so that the second
  ``|`` is the first place where either pattern's time can be;
* where the time is followed by ``.``, digits and ``|``, the first pattern matches there;
* otherwise it could only match further on, which needs another ``|`` in the rest, plain or
  as an escape: the patterns are searched in those lines.

In all other lines the patterns are searched after decoding. A property test checks that both
give the same result.

All parts of a common line are found in tables, so that only the sum of two times is computed:
bytes are copied from the message to the document and never become text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from ptingest.pipeline.classify import Classifier, Label
from ptingest.pipeline.encode import encode_value
from ptingest.pipeline.group import Group
from ptingest.pipeline.identity import TEXT_HEADS, framed_value
from ptingest.pipeline.timestamps import MinuteCache, TimeReader, instant_text
from ptingest.settings.profile import LINE_PIECE, GroupSettings

CACHED_LOGGERS = 8192
CACHED_SECONDS = 4096

State = Literal[0, 1, 2]
FINE: State = 0
NO_MATCH: State = 1
NO_DATE: State = 2

# A level with the quote that opens its message.
_LEVEL = re.compile(rb'"[A-Za-z0-9_]+').fullmatch
# What may follow the seconds in a time of usual width; other lines are searched.
_FRACTION = re.compile(rb"(?:([.,])([0-9]{3}))?(Z?)").fullmatch
_SECONDS = re.compile(rb":[0-5][0-9]").fullmatch
_TO_SECONDS, _AFTER_SECONDS = slice(19), slice(19, None)
_PIPE, _BACKSLASH, _SPACE = b"|\\ "
# Other spellings of `|` in JSON; one more character would be a `c`, upper or lower case.
_PIPE_ESCAPED = b"\\u007"
decode_text = msgspec.json.Decoder(str).decode
_LONGEST_NAME = 256
"""Longer levels and loggers are not cached, so that caches stay small."""

# How a second time further on would begin, and the spellings of `|`.
_PERHAPS_TIME = re.compile(rb"\|[0-9][0-9]").search
_HIDDEN_PIPE = re.compile(rb"\\u007[cC]").search


class ParsedLine(NamedTuple):
    """The parts that a message adds to its document.

    The reader returns them as a bare tuple: building a named one costs half a microsecond.
    """

    state: State
    fields: bytes
    """Encoded, each with a comma before it: the captures and what their label sets."""
    printed: bytes = b""
    """The time as ``@timestamp``, empty when Filebeat's is kept."""
    framed_time: bytes = b""
    """The time in the line, framed for the key; empty when there is none."""
    millis: int = 0
    """The time of the line for the key; only with ``framed_time``."""
    is_loose: bool = False


LineTuple = tuple[State, bytes, bytes, bytes, int, bool]


class Fraction(NamedTuple):
    """The text after the seconds of a time, and its results."""

    is_cut: bool
    """A point and three digits without a zone: the first pattern matches and cuts them off."""
    is_utc: bool
    state: State
    ending: bytes
    """Of the printed time; empty when Filebeat's is kept."""
    millis: int
    """For the key."""
    before_rest: bytes
    """The bytes between the time and the rest, in the document."""
    head: bytes
    """The bytes before the time in the key's frame."""


Fractions = dict[bytes, Fraction | None]
Moment = tuple[bytes, int, Fractions]
"""A second: printed, in milliseconds, and what may follow it."""

ReadLine = Callable[[bytes], LineTuple]


class LineReader:
    """Reads the lines of one group; caches loggers and seconds."""

    def __init__(self, group: Group, classifier: Classifier | None = None) -> None:
        """``classifier`` is the group's, given what is the same in all events that it reads."""
        self._group, self._classifier = group, classifier or group.classifier
        self._unlabelled = _encoded(self._classifier.otherwise.fields)
        names = _plain_names(group.settings)
        self.read: ReadLine = self._make_reader(names) if names else self._searched
        """Reads a message, passed as raw JSON."""

    def _make_reader(self, names: tuple[bytes, ...]) -> ReadLine:
        """Return the reader of lines that split; the values that it needs are bound once."""
        searched, unmatched = self._searched, self._unmatched
        settings = self._group.settings
        is_full = self._group.profile.timestamp_precision == "full"
        times = settings.times
        has_other_formats = len(times.formats) > 1
        # A line without `|` must be searched when it holds this; every line holds the empty
        # text.
        perhaps = b"" if len(settings.patterns) > 2 else _PIPE_ESCAPED
        with_t, with_space = (
            _Fractions(names, is_full=is_full, is_only=not has_other_formats, has_t=has_t)
            for has_t in (True, False)
        )
        local = _Moments(self._group.time_reader, with_t, with_space)
        utc_reader = TimeReader(times, timezone="UTC", is_full=True)
        utc = _Moments(utc_reader, with_t, with_space)
        is_local_utc = self._group.time_reader.zone is None
        loggers, levels = _Loggers(self._classifier), _Levels(names[0], names[1])

        def read(raw: bytes) -> LineTuple:
            parts = raw.split(b"|", 3)
            if len(parts) != 4:
                # `find` and not `in`: that tries first to read the bytes as a number.
                is_none = len(parts) == 1 and raw.find(perhaps) < 0
                return unmatched(raw) if is_none else searched(raw)
            level, logger, time, rest = parts
            start = time[_TO_SECONDS]
            moment = local[start]
            # A text that is not a time is mostly not a record: do not cache its level and logger.
            if (
                moment is None
                or not (opened := levels[level])
                or not (labelled := loggers[logger])
                or len(rest) == 1
            ):
                return searched(raw)
            opening, minute_millis, fractions = moment
            fraction = fractions[time[_AFTER_SECONDS]]
            if fraction is None:
                return searched(raw)
            is_cut, is_utc, state, ending, millis, before_rest, head = fraction
            if is_cut:
                time = start
            else:
                if (_PIPE in rest or _BACKSLASH in rest) and _may_hold_time(rest):
                    return searched(raw)
                if is_utc and not is_local_utc:
                    moment = utc[start]
                    if moment is None:
                        return searched(raw)
                    opening, minute_millis, _ = moment
            # The rest still holds the quote that closes the message.
            fields = b"".join((opened, time, before_rest, rest, labelled))
            printed = opening + ending if ending else b""
            return state, fields, printed, head + time, minute_millis + millis, False

        return read

    def _label(self, name: str | None) -> Label:
        return _label_of(self._classifier, name)

    # --- the searches ---------------------------------------------------------------------

    def _searched(self, raw: bytes) -> LineTuple:
        message = decode_text(raw)
        parsed = self._group.parser.parse(message)
        if parsed is None:
            return self._unmatched(raw)
        captures = parsed.captures
        settings = self._group.settings.time
        label = self._label(captures.get(self._classifier.field))
        fields = _encoded(parsed.values) + _encoded(label.fields)
        text = captures.get(settings.field)
        fraction = captures.get(settings.fraction_field or "")
        is_read = text is not None and text != "false"
        instant = self._group.time_reader.read(text, fraction) if text and is_read else None
        printed = b"" if instant is None else instant_text(instant).encode("ascii")
        state = NO_DATE if is_read and instant is None else FINE
        own = self._group.own_time(message, text, fraction, instant=instant)
        framed_time, millis = (b"", 0) if own is None else (framed_value(own[0]), own[1])
        return ParsedLine(state, fields, printed, framed_time, millis, parsed.is_loose)

    def _unmatched(self, raw: bytes) -> LineTuple:
        """A line that no pattern matches; it may have a time nevertheless."""
        own = self._group.own_times.find_in_json(raw)
        if own is None:
            return NO_MATCH, self._unlabelled, b"", b"", 0, False
        text, millis = own
        return NO_MATCH, self._unlabelled, b"", TEXT_HEADS[len(text)] + text, millis, False


class _Loggers(dict[bytes, bytes]):
    """Encoded names and labels of cached loggers; empty for those with escapes."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def __missing__(self, logger: bytes) -> bytes:
        if len(logger) > _LONGEST_NAME or _BACKSLASH in logger:
            return b""
        if len(self) >= CACHED_LOGGERS:
            self.clear()
        name = logger.decode("utf-8")
        field = {self._classifier.field: name} if name else {}
        label = _label_of(self._classifier, name or None)
        # A space means that nothing is added; an empty value means that it is unknown.
        encoded = self[logger] = _encoded({**field, **label.fields}) or b" "
        return encoded


class _Levels(dict[bytes, bytes]):
    """Cached levels, as the fields begin; empty for a text that is not a word."""

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before, self._after = before, after

    def __missing__(self, level: bytes) -> bytes:
        if len(level) > _LONGEST_NAME or _LEVEL(level) is None:
            return b""
        if len(self) >= CACHED_LOGGERS:
            self.clear()
        opened = self[level] = self._before + level[1:] + self._after
        return opened


class _Moments(dict[bytes, Moment | None]):
    """Cached seconds, by the first 19 characters of a time; None for unusual ones."""

    def __init__(self, reader: TimeReader, with_t: Fractions, with_space: Fractions) -> None:
        self._minutes = MinuteCache(reader)
        self._with_t, self._with_space = with_t, with_space

    def __missing__(self, start: bytes) -> Moment | None:
        minute = self._minutes[start[:16]]
        if minute is None or _SECONDS(start[16:]) is None:
            return None
        if len(self) >= CACHED_SECONDS:
            self.clear()
        opening, millis = minute
        fractions = self._with_space if start[10] == _SPACE else self._with_t
        moment = self[start] = (
            opening + start[17:],
            millis + 1000 * int(start[17:]),
            fractions,
        )
        return moment


class _Fractions(Fractions):
    """Texts that may follow the seconds: some 4,000, each one computed once."""

    def __init__(
        self, names: tuple[bytes, ...], *, is_full: bool, is_only: bool, has_t: bool
    ) -> None:
        """``is_only``: there is no format but ISO 8601; ``has_t``: after a time with ``T``."""
        _level, _time, self._log_ms, self._log_message = names
        self._is_full, self._is_only, self._has_t = is_full, is_only, has_t

    def __missing__(self, text: bytes) -> Fraction | None:
        found = _FRACTION(text)
        if found is None:
            return None
        fraction = self[text] = self._decide(*found.groups())
        return fraction

    def _decide(self, point: bytes | None, digits: bytes | None, zulu: bytes) -> Fraction | None:
        is_cut = point == b"." and not zulu
        millis = int(digits or 0)
        state, ending = FINE, b".%bZ" % (digits or b"000")
        outcome: tuple[State, bytes, int] = (state, ending, millis)
        if not self._is_full:
            if is_cut and self._has_t:
                outcome = (FINE, b".000Z", 0)
            if not self._has_t and (is_cut or digits is None):
                if not self._is_only:
                    return None  # another format may read it
                outcome = (NO_DATE, b"", millis)
        cut_off = self._log_ms + (digits or b"") if is_cut else b""
        length = 19 if is_cut else 19 + len(point or b"") + len(digits or b"") + len(zulu)
        return Fraction(
            is_cut, zulu == b"Z", *outcome, cut_off + self._log_message, TEXT_HEADS[length]
        )


def _label_of(classifier: Classifier, name: str | None) -> Label:
    return classifier.otherwise if name is None else classifier.classify(name)


def _may_hold_time(rest: bytes) -> bool:
    """Whether the first pattern might match further on, from the line's third ``|``."""
    if rest.find(b"\\u") >= 0:
        return _PIPE in rest or _HIDDEN_PIPE(rest) is not None
    return _PIPE in rest and (rest[:1].isdigit() or _PERHAPS_TIME(rest) is not None)


def _encoded(fields: object) -> bytes:
    """Encode an object's members, each with a comma before it."""
    inner = encode_value(fields)[1:-1]
    return b"," + inner if inner else b""


def _plain_names(settings: GroupSettings) -> tuple[bytes, ...] | None:
    """Openings of the fields of the anchored match, None when the group has other patterns."""
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
        and settings.time.formats[0] == "ISO8601"
        and settings.categories.field == logger
        and not any(pattern.translate for pattern in settings.patterns[:2])
        and not {level, time, millis, rest}.intersection(settings.numbers)
    )
    if not is_usual:
        return None
    names = [encode_value(name) for name in (level, time, millis, rest)]
    return (b',%b:"' % names[0], *(b'",%b:"' % name for name in names[1:]))

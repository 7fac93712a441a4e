"""Messages to fields, as grok does it, in time linear in the message.

A pattern is a line of named pieces. Grok's ``.`` crosses newlines, its ``^`` is a line anchor,
and its ``DATA`` is lazy. So a pattern matches exactly when its head is found at some line start
(the first such line is enough: a later one sees only a part of the same rest) and each anchor,
the pieces between one {data} and the next, is found at or after the end of the previous one
(the first such place). That is one search for the head and one for each anchor, with the
captures of real grok and without its backtracking over the whole message: 20 seconds for 40 kB
there, a millisecond here.

The expressions of the pieces are those of Logstash's grok patterns, written for Python. Keep
the order of their alternatives: it decides captures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ptingest.settings.expression import compile_expression
from ptingest.settings.profile import LINE_PIECE, PatternSettings

WORD = "[A-Za-z0-9_]+"
INT = "[+-]?[0-9]+"
TIMESTAMP = (
    "(?:[0-9]{2}){1,2}-(?:0?[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]|[1-9])[T ]"
    "(?:2[0-3]|[01]?[0-9]):?[0-5][0-9](?::?(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?)?"
    "(?:Z|[+-](?:2[0-3]|[01]?[0-9]):?[0-5][0-9])?"
)
_PIECES = {"word": WORD, "int": INT, "timestamp": TIMESTAMP}

Captures = dict[str, str]


class Matcher(Protocol):
    """The interface of a compiled pattern."""

    fields: frozenset[str]
    """All fields that it can set."""
    needle: str
    """A text that every matching message holds; empty when none is known."""

    def match(self, message: str) -> Captures | None:
        """Return the captures that are not empty, or None when the pattern does not match."""
        ...

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        """Return the result of ``match``, and the result under strict parsing."""
        ...


class Pieces(NamedTuple):
    """A line pattern split into a head, and an anchor after each {data}."""

    head: str
    anchors: tuple[str, ...]
    """Expressions of what must follow each {data}."""
    delimiters: tuple[str, ...]
    """First character after each {data}."""


def take_apart(line: str) -> Pieces:
    """Split a line pattern at its {data} pieces; the settings have checked its form."""
    tokens = LINE_PIECE.split(line)
    expressions = [re.escape(tokens[0])]
    delimiters: list[str] = []
    for position in range(1, len(tokens), 3):
        kind, _, text = tokens[position : position + 3]
        if kind == "data":
            delimiters.append(text[0])
            expressions.append(re.escape(text))
        elif kind != "rest":
            expressions[-1] += f"({_PIECES[kind]}){re.escape(text)}"
    head, *anchors = expressions
    return Pieces(head, tuple(anchors), tuple(delimiters))


class LineMatcher:
    """Gives grok's result for one line pattern.

    Most searched texts hold no record. So the parts that every record has are searched first,
    each in one pass: the longest text between pieces, then the last anchor. The place of that
    anchor is also the result of the search for it, unless the pieces before it end later.
    """

    def __init__(self, line: str) -> None:
        pieces = take_apart(line)
        self._head = re.compile(pieces.head).match
        # Any other line start. `re` finds a literal newline fast.
        self._later_head = re.compile("\n" + pieces.head).search
        searches = [re.compile(anchor).search for anchor in pieces.anchors]
        self._stretches = list(zip(pieces.delimiters, searches, strict=True))
        self._last = searches[-1] if searches else re.compile("").search
        self._strict = StrictLineMatcher(line)
        self._fields = [field for _, field in LINE_PIECE.findall(line)]
        self.fields = frozenset(self._fields)
        self.needle = _longest_text(line)

    def match(self, message: str) -> Captures | None:
        return self.both(message)[0]

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        if self.needle not in message or (ahead := self._last(message)) is None:
            return None, None
        opened = self._head(message)
        captures, is_in_place = self._captures(message, opened, ahead)
        if opened is None:
            return captures, None
        # The strict expression's first way is this one as long as {data} stays in its place.
        return captures, captures if is_in_place else self._strict.match(message)

    def _captures(
        self, message: str, opened: re.Match[str] | None, ahead: re.Match[str]
    ) -> tuple[Captures | None, bool]:
        """Return the captures, and whether each {data} is one that strict parsing allows."""
        found = opened or self._later_head(message)
        if found is None:
            return None, False
        texts = list(found.groups())
        position, is_in_place = found.end(), True
        for delimiter, anchor in self._stretches:
            is_ahead = anchor is self._last and ahead.start() >= position
            found = ahead if is_ahead else anchor(message, position)
            if found is None:
                return None, False
            data = message[position : found.start()]
            is_in_place = is_in_place and delimiter not in data and "\n" not in data
            texts += (data, *found.groups())
            position = found.end()
        texts.append(message[position:])
        pairs = zip(self._fields, texts, strict=True)
        return {field: text for field, text in pairs if text}, is_in_place


class StrictLineMatcher:
    """The same pieces, but the record begins the message and each {data} stays in its place.

    {data} then holds neither a newline nor the character that ends it.
    """

    def __init__(self, line: str) -> None:
        pieces = take_apart(line)
        expression = pieces.head
        for anchor, delimiter in zip(pieces.anchors, pieces.delimiters, strict=True):
            expression += f"([^\\n{re.escape(delimiter)}]*){anchor}"
        self._expression = re.compile(expression + "(.*)", re.DOTALL)
        self._fields = [field for _, field in LINE_PIECE.findall(line)]
        self.fields = frozenset(self._fields)
        self.needle = _longest_text(line)

    def match(self, message: str) -> Captures | None:
        if self.needle not in message:
            return None
        found = self._expression.fullmatch(message)
        if found is None:
            return None
        pairs = zip(self._fields, found.groups(), strict=True)
        return {field: text for field, text in pairs if text}

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        return _twice(self.match(message))


def _twice(captures: Captures | None) -> tuple[Captures | None, Captures | None]:
    return captures, captures


def _longest_text(line: str) -> str:
    """Return the longest text between the pieces of a line pattern: every matching message
    holds it."""
    return max(LINE_PIECE.split(line)[::3], key=len)


class RegexMatcher:
    """A user's own expression, at the start of the message; a group that took no part or is
    empty sets nothing."""

    def __init__(self, regex: str) -> None:
        expression = compile_expression(regex)
        self.fields = frozenset(expression.fields)
        self.needle = ""
        self.match = expression.match

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        return _twice(self.match(message))


class JsonMatcher:
    """Matches a message that is one JSON object, and gives the values of the configured keys."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self.fields = frozenset(self._keys.values())
        self.needle = "{"

    def match(self, message: str) -> Captures | None:
        if not message.startswith("{"):
            return None
        try:
            found = _OBJECT.decode(message)
        except (msgspec.MsgspecError, RecursionError):
            return None
        captures = {
            field: text
            for key, field in self._keys.items()
            if key in found and (text := _as_text(found[key]))
        }
        return captures or None

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        return _twice(self.match(message))


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def _as_text(raw: msgspec.Raw) -> str:
    """Text as it is, numbers and booleans as they were written, everything else empty."""
    value = bytes(raw)
    if value[:1] == b'"':
        return _TEXT.decode(value)
    return "" if value[:1] in (b"{", b"[", b"n") else value.decode()


class Translated:
    """Replaces some values of another matcher's captures."""

    def __init__(self, inner: Matcher, values: Mapping[str, Mapping[str, str]]) -> None:
        self._inner, self._values = inner, values
        self.fields, self.needle = inner.fields, inner.needle

    def match(self, message: str) -> Captures | None:
        return self._replaced(self._inner.match(message))

    def both(self, message: str) -> tuple[Captures | None, Captures | None]:
        captures, strictly = self._inner.both(message)
        if strictly is captures:
            return _twice(self._replaced(captures))
        return self._replaced(captures), self._replaced(strictly)

    def _replaced(self, captures: Captures | None) -> Captures | None:
        if captures is not None:
            for field, values in self._values.items():
                if field in captures:
                    captures[field] = values.get(captures[field], captures[field])
        return captures


_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+").fullmatch
LONGEST_NUMBER = 40
"""Characters of a number; longer texts are not numbers that anybody counts with."""


def number_of(text: str) -> msgspec.Raw | None:
    """Return the number as it is written, None where the text is none."""
    if len(text) > LONGEST_NUMBER:
        return None
    if _JSON_NUMBER(text):
        return msgspec.Raw(text.encode())
    return msgspec.Raw(str(int(text)).encode()) if _WHOLE_NUMBER(text) else None


class Parsed(NamedTuple):
    """A message's fields, the name of the pattern that matched, and whether it matched loosely."""

    captures: Captures
    pattern: str
    is_loose: bool
    """Strict parsing would have given another result."""
    values: Mapping[str, object]
    """What to set: the captures, with numbers in the place of some texts."""


class Parser:
    """All patterns of a group, tried in order."""

    def __init__(
        self,
        patterns: Sequence[PatternSettings],
        *,
        is_strict: bool,
        numbers: Sequence[str] = (),
    ) -> None:
        self._numbers = frozenset(numbers)
        matchers = [(each.name, matcher(each, is_strict=is_strict)) for each in patterns]
        self._patterns = [(each.needle, name, each.both) for name, each in matchers]
        self.fields = frozenset[str]().union(*(each.fields for _, each in matchers))

    def parse(self, message: str) -> Parsed | None:
        """Return the first pattern's fields, or None when no pattern matches."""
        strict: Captures | None = None
        for needle, name, both in self._patterns:
            if needle not in message:
                continue
            captures, strictly = both(message)
            if strict is None:
                strict = strictly
            if captures is not None:
                if strict is None:
                    strict = self._strictly(message)
                is_loose = strict is not captures and strict != captures
                return Parsed(captures, name, is_loose, self._values_of(captures))
        return None

    def _values_of(self, captures: Captures) -> Mapping[str, object]:
        if self._numbers.isdisjoint(captures):
            return captures
        read = {
            name: number_of(text) if name in self._numbers else text
            for name, text in captures.items()
        }
        return {name: value for name, value in read.items() if value is not None}

    def _strictly(self, message: str) -> Captures | None:
        answers = (both(message)[1] for _, _, both in self._patterns)
        return next((captures for captures in answers if captures is not None), None)


def matcher(pattern: PatternSettings, *, is_strict: bool) -> Matcher:
    """Compile one pattern of the profile."""
    plain = _plain_matcher(pattern, is_strict=is_strict)
    return Translated(plain, pattern.translate) if pattern.translate else plain


def _plain_matcher(pattern: PatternSettings, *, is_strict: bool) -> Matcher:
    if pattern.json_keys is not None:
        return JsonMatcher(pattern.json_keys)
    if pattern.line is None:
        return RegexMatcher(pattern.regex or "")
    return StrictLineMatcher(pattern.line) if is_strict else LineMatcher(pattern.line)

"""Messages to fields, as grok does it, in time linear in the message.

A pattern is a line of named pieces. Grok's ``.`` crosses newlines, its ``^`` is a line
anchor, and its ``DATA`` is lazy; so a pattern holds exactly when its head is found at some
line start (the first such line is enough: a later one sees only a part of the same rest)
and each anchor, the pieces between one {data} and the next, is found at or after the end
of what came before (the first such place). That is one search for the head and one for
each anchor, with the captures of real grok and never its backtracking over the whole
message: 20 seconds for 40 kB there, a millisecond here.

The expressions of the pieces are those of Logstash's grok patterns, written for Python.
Keep the order of their alternatives: it decides captures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

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
    """One way to try one pattern."""

    fields: frozenset[str]
    """All that it can set."""

    def match(self, message: str) -> Captures | None:
        """Return the non-empty captures, or None where the pattern does not fit."""
        ...


class Pieces(NamedTuple):
    """A line pattern taken apart: a head, then for each {data} its field and its anchor."""

    head: str
    stretches: tuple[tuple[str, str], ...]
    """(field of the {data}, expression of what must follow it)."""
    delimiters: tuple[str, ...]
    """First character after each {data}."""
    rest: str


def take_apart(line: str) -> Pieces:
    """Split a line pattern at its {data} pieces; the settings have judged its shape."""
    tokens = LINE_PIECE.split(line)
    expressions = [re.escape(tokens[0])]
    data: list[str] = []
    delimiters: list[str] = []
    rest = ""
    for position in range(1, len(tokens), 3):
        kind, field, text = tokens[position : position + 3]
        if kind == "rest":
            rest = field
        elif kind == "data":
            data.append(field)
            delimiters.append(text[0])
            expressions.append(re.escape(text))
        else:
            expressions[-1] += f"({_PIECES[kind]}){re.escape(text)}"
    return Pieces(expressions[0], tuple(zip(data, expressions[1:], strict=True)),
                  tuple(delimiters), rest)  # fmt: skip


def _fixed_fields(line: str) -> list[list[str]]:
    """Fields of the fixed pieces, one list for the head and one for each anchor."""
    fields: list[list[str]] = [[]]
    for kind, field in LINE_PIECE.findall(line):
        if kind == "data":
            fields.append([])
        elif kind != "rest":
            fields[-1].append(field)
    return fields


class LineMatcher:
    """Grok's answer for one line pattern."""

    def __init__(self, line: str) -> None:
        pieces = take_apart(line)
        fields = _fixed_fields(line)
        self._head = re.compile("^" + pieces.head, re.MULTILINE)
        self._head_fields = fields[0]
        self._stretches = [
            (data, re.compile(anchor), names)
            for (data, anchor), names in zip(pieces.stretches, fields[1:], strict=True)
        ]
        self._rest = pieces.rest
        self.fields = frozenset(field for _, field in LINE_PIECE.findall(line))
        # The longest text between pieces, looked for first: most lines that do not fit lack it.
        self._needle = max(LINE_PIECE.split(line)[::3], key=len)

    def match(self, message: str) -> Captures | None:
        if self._needle not in message:
            return None
        found = self._head.search(message)
        if found is None:
            return None
        captures: Captures = dict(zip(self._head_fields, found.groups(), strict=True))
        position = found.end()
        for data, anchor, names in self._stretches:
            found = anchor.search(message, position)
            if found is None:
                return None
            captures[data] = message[position : found.start()]
            captures.update(zip(names, found.groups(), strict=True))
            position = found.end()
        captures[self._rest] = message[position:]
        return {field: text for field, text in captures.items() if text}


class StrictLineMatcher:
    """The same pieces, but the record starts the message and {data} stays in its place.

    {data} then holds neither a newline nor the character that ends it.
    """

    def __init__(self, line: str) -> None:
        pieces = take_apart(line)
        fields = _fixed_fields(line)
        expression, self._fields = pieces.head, list(fields[0])
        for (data, anchor), names, delimiter in zip(
            pieces.stretches, fields[1:], pieces.delimiters, strict=True
        ):
            expression += f"([^\\n{re.escape(delimiter)}]*){anchor}"
            self._fields += [data, *names]
        self._fields.append(pieces.rest)
        self._expression = re.compile(expression + "(.*)", re.DOTALL)
        self.fields = frozenset(self._fields)

    def match(self, message: str) -> Captures | None:
        found = self._expression.fullmatch(message)
        if found is None:
            return None
        pairs = zip(self._fields, found.groups(), strict=True)
        return {field: text for field, text in pairs if text}


class RegexMatcher:
    """A user's own expression, at the start of the message; groups that took no part or are
    empty set nothing."""

    def __init__(self, regex: str) -> None:
        self._regex = re.compile(regex)
        self.fields = frozenset(self._regex.groupindex)

    def match(self, message: str) -> Captures | None:
        found = self._regex.match(message)
        if found is None:
            return None
        return {field: text for field, text in found.groupdict().items() if text}


class JsonMatcher:
    """A message that is one JSON object; of its keys, those that were asked for."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self.fields = frozenset(self._keys.values())

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


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def _as_text(raw: msgspec.Raw) -> str:
    """Text as it is, numbers and booleans as they were written, everything else empty."""
    value = bytes(raw)
    if value[:1] == b'"':
        return _TEXT.decode(value)
    return "" if value[:1] in (b"{", b"[", b"n") else value.decode()


class Parsed(NamedTuple):
    """A message's fields, the name of the pattern that fitted, and whether it did so loosely."""

    captures: Captures
    pattern: str
    is_loose: bool
    """Strict parsing would have made something else of it."""


class Parser:
    """All patterns of a group, tried in order."""

    def __init__(self, patterns: Sequence[PatternSettings], *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._patterns = [
            (pattern.name, matcher(pattern, is_strict=is_strict)) for pattern in patterns
        ]
        self._strict = [(pattern.name, matcher(pattern, is_strict=True)) for pattern in patterns]
        self.fields = frozenset[str]().union(*(pattern.fields for _, pattern in self._patterns))

    def parse(self, message: str) -> Parsed | None:
        """Return the first pattern's fields, or None when no pattern fits."""
        for name, pattern in self._patterns:
            captures = pattern.match(message)
            if captures is not None:
                is_loose = not self._is_strict and self._strictly(message) != captures
                return Parsed(captures, name, is_loose)
        return None

    def _strictly(self, message: str) -> Captures | None:
        for _, pattern in self._strict:
            captures = pattern.match(message)
            if captures is not None:
                return captures
        return None


def matcher(pattern: PatternSettings, *, is_strict: bool) -> Matcher:
    """Compile one pattern of the profile."""
    if pattern.json_keys is not None:
        return JsonMatcher(pattern.json_keys)
    if pattern.line is None:
        return RegexMatcher(pattern.regex or "")
    return StrictLineMatcher(pattern.line) if is_strict else LineMatcher(pattern.line)

"""Grok: expressions made of named patterns, and the fields that a match gives.

    %{PATTERN}             the pattern's expression, without a field
    %{PATTERN:field}       and a field; field may be [a][b]
    %{PATTERN:field:int}   a whole number, or :float
    %{NAME=expression}     defines a pattern on the spot
    (?<field>expression)   a field without a pattern

The patterns of Logstash by name lie in ``patterns/``, one a line: its name, then its expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ptingest.pipeline.logstash.regex import BadRegex, Regex, compile_regex

PATTERNS = Path(__file__).parent / "patterns"
_EXPANSIONS_MOST = 10_000
_USE = re.compile(
    r"%\{(?P<name>(?P<pattern>[A-z0-9]+)(?::(?P<field>[@\[\]A-z0-9_:.-]+))?)"
    r"(?:=(?P<definition>(?:\\.|[^{}\\]|\{(?:\\.|[^{}\\])+\})+))?[^}]*\}"
)
_WHOLE = re.compile(r"\s*([+-]?[0-9]+(?:_[0-9]+)*)")
_DECIMAL = re.compile(
    r"\s*([+-]?(?:[0-9]+(?:_[0-9]+)*)?(?:\.[0-9]+(?:_[0-9]+)*)?(?<=[0-9])(?:[eE][+-]?[0-9]+)?)"
)


class BadPattern(ValueError):
    """A grok expression that Logstash refuses, too, or that cannot be run here."""

    def __init__(self, sentence: str, *, is_unsupported: bool = False) -> None:
        super().__init__(sentence)
        self.is_unsupported = is_unsupported
        """Logstash would run it."""


class Capture(NamedTuple):
    """A group of a match, and the field that it sets."""

    group: int
    field: str
    convert: Callable[[str], Any] | None


@cache
def library(*, has_ecs: bool) -> Mapping[str, str]:
    """Return Logstash's own patterns; the names of their fields are ECS's or the older ones."""
    found: dict[str, str] = {}
    for folder in ("", "ecs" if has_ecs else "legacy"):
        for path in sorted((PATTERNS / folder).glob("*.txt")):
            found.update(read_patterns(path.read_text(encoding="utf-8")))
    return found


def read_patterns(text: str) -> dict[str, str]:
    """Return the patterns of a file by name: one a line, and comments after ``#``."""
    found = {}
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            continue
        name, _, expression = line.strip("\r").partition(" ")
        name, tab, rest = name.partition("\t")
        if name:
            found[name] = (rest + " " + expression if tab else expression).lstrip()
    return found


class Grok:
    """One compiled grok expression."""

    def __init__(
        self, text: str, patterns: Mapping[str, str], *, named_captures_only: bool = True
    ) -> None:
        """Compile it.

        Raises:
            BadPattern: it names a pattern that is not defined, or one that holds itself.
            BadRegex: the expression is refused.
        """
        self.text = text
        expanded = _Expansion(patterns, named_captures_only=named_captures_only).of(text)
        self.regex: Regex = compile_regex(expanded, dot_matches_newline=True)
        self.search = self.regex.search
        """Takes a text; raises ``RegexTimeout``."""
        self.captures = tuple(
            capture
            for name, groups in self.regex.names.items()
            for capture in _captures(name, groups)
        )


def _captures(name: str, groups: Sequence[int]) -> list[Capture]:
    """Read the name of groups: pattern, field and type, or the field alone.

    Of several groups with one name Logstash converts the first alone.
    """
    parts = name.split(":")
    field = parts[1] if len(parts) > 1 else parts[0]
    convert = {"int": to_whole, "float": to_decimal}.get(parts[2]) if len(parts) > 2 else None
    first, *others = groups
    return [Capture(first, field, convert), *(Capture(group, field, None) for group in others)]


class _Expansion:
    """Puts the expressions of patterns in the place of their names."""

    def __init__(self, patterns: Mapping[str, str], *, named_captures_only: bool) -> None:
        self._patterns = dict(patterns)
        self._named_only = named_captures_only
        self._made: dict[str, str] = {}
        self._within: list[str] = []
        self._count = 0

    def of(self, text: str) -> str:
        return _USE.sub(self._expanded, text)

    def _expanded(self, use: re.Match[str]) -> str:
        self._count += 1
        name, pattern = use["name"], use["pattern"]
        if use["definition"] is not None:
            self._patterns[pattern] = use["definition"]
            self._made.clear()
        if pattern not in self._patterns:
            raise BadPattern(f"pattern %{{{use['name']}}} not defined")
        if pattern in self._within or self._count > _EXPANSIONS_MOST:
            raise BadPattern(f"pattern %{{{pattern}}} holds itself, or too many others")
        inside = self._made.get(pattern)
        if inside is None:
            self._within.append(pattern)
            inside = self._made[pattern] = self.of(self._patterns[pattern])
            self._within.pop()
        if use["field"] is None and self._named_only:
            return f"(?:{inside})"
        return f"(?<{name}>{inside})"


def compile_groks(
    texts: Sequence[str], patterns: Mapping[str, str], *, named_captures_only: bool
) -> list[Grok]:
    """Compile the expressions that are tried on one field, in order.

    Raises:
        BadPattern: one is refused, with its text.
    """
    found = []
    for text in texts:
        try:
            found.append(Grok(text, patterns, named_captures_only=named_captures_only))
        except BadRegex as error:
            raise BadPattern(f"{text!r}: {error}", is_unsupported=error.is_unsupported) from error
    return found


def to_whole(text: str) -> int:
    """Return the digits that a text begins with as a number, else 0: Ruby's ``to_i``."""
    if text.isdigit() and text.isascii():
        return int(text)
    found = _WHOLE.match(text)
    return int(found[1].replace("_", "")) if found else 0


def to_decimal(text: str) -> float:
    """Return the number that a text begins with, else 0.0: Ruby's ``to_f``."""
    found = _DECIMAL.match(text)
    return float(found[1].replace("_", "")) if found else 0.0

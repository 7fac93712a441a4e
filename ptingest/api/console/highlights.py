"""Which parts of a shown text a query asked for, so that a page can mark them.

A message is marked word by word, as it is searched; the value of another field as a whole. What
a query excludes is not marked, and a query that cannot be read marks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ptingest.errors import QueryInvalid
from ptingest.kql.fields import TEXT_FIELDS, phrases_of
from ptingest.kql.globs import glob_test
from ptingest.kql.parser import AllOf, AnyOf, Match, Query, parse

LONGEST = 20_000
"""Characters of one text in which is looked for words."""
PHRASES = 50
"""Phrases that are looked for."""
_WORD = re.compile(r"[^\W_]++(?:[\u0300-\u036f]++[^\W_]*+)*+")

Test = Callable[[str], bool]


class Piece(NamedTuple):
    """A part of a text."""

    text: str
    is_hit: bool


class Highlights:
    """What one query looks for."""

    def __init__(self, query: str) -> None:
        self._phrases: list[list[Test]] = []
        self._values: dict[str, list[Test]] = {}
        try:
            matches = list(_wanted(parse(query)))
        except QueryInvalid:
            return  # the page says so itself
        for match in matches:
            if match.value.is_anything:
                continue
            if match.field is None or match.field in TEXT_FIELDS:
                self._phrases += [
                    [glob_test(word.split("*")) for word in one] for one in phrases_of(match.value)
                ]
            else:
                pieces = [match.value.text] if match.value.is_quoted else match.value.pieces
                self._values.setdefault(match.field, []).append(glob_test(pieces))
        del self._phrases[PHRASES:]

    def pieces(self, field: str, text: str) -> list[Piece]:
        """Return a field's text in parts, those that were asked for marked."""
        if field not in TEXT_FIELDS:
            return [Piece(text, any(fits(text) for fits in self._values.get(field, ())))]
        if not self._phrases:
            return [Piece(text, is_hit=False)]
        return list(_split(text, self._spans(text)))

    def _spans(self, text: str) -> list[tuple[int, int]]:
        words = [(one[0].lower(), one.span()) for one in _WORD.finditer(text, 0, LONGEST)]
        return [
            (words[at][1][0], words[at + len(tests) - 1][1][1])
            for tests in self._phrases
            for at in range(len(words) - len(tests) + 1)
            if all(fits(words[at + number][0]) for number, fits in enumerate(tests))
        ]


def _wanted(query: Query) -> Iterator[Match]:
    match query:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _wanted(part)
        case Match():
            yield query
        case _:
            pass  # a range has no text, and what is excluded is in no hit


def _split(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    end = 0
    for start, stop in sorted(spans):
        if stop <= end:
            continue
        if start > end:
            yield Piece(text[end:start], is_hit=False)
        yield Piece(text[max(start, end) : stop], is_hit=True)
        end = stop
    if end < len(text) or not text:
        yield Piece(text[end:], is_hit=False)

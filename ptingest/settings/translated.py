"""Translates a Python expression to RE2, with the same meaning.

RE2 has other categories, another ``\b`` and no characters beyond its encoding of text. So each
character is first replaced by a symbol, one byte for all characters that the expression does
not distinguish: where ``\b`` is used, Python's word characters get the symbol of a word
character, and positions in the text do not change. An expression that RE2 cannot run at all is
refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from re import _constants as codes
from re import _parser
from typing import Any, NamedTuple

from ptingest.settings.characters import (
    LAST,
    ONE_CHARACTER,
    Characters,
    Node,
    characters,
    flags_within,
)

_NEWLINE: Characters = ((10, 10),)
_WORD_SYMBOLS = [symbol for symbol in range(128) if chr(symbol).isalnum() or symbol == 95]
_OTHER_SYMBOLS = [symbol for symbol in range(256) if symbol not in _WORD_SYMBOLS and symbol != 10]
_CANNOT = {
    codes.GROUPREF: "refers back to a group",
    codes.GROUPREF_EXISTS: "asks whether a group took part",
    codes.ASSERT: "looks ahead or behind",
    codes.ASSERT_NOT: "looks ahead or behind",
    codes.ATOMIC_GROUP: "holds an atomic group (?>...)",
    codes.POSSESSIVE_REPEAT: "holds a possessive repeat such as *+",
}


class Untranslatable(Exception):
    """RE2 cannot run this; the text says what."""


class Alphabet:
    """The symbol of each character, by ranges of code points."""

    def __init__(self, starts: list[int], symbols: list[int]) -> None:
        self.starts, self.symbols = starts, symbols
        self._ascii = self.table(256)

    def encoded(self, text: str) -> bytes:
        """Return the symbol of each character of the text."""
        if text.isascii():
            return text.encode("ascii").translate(self._ascii)
        return text.translate(self._every).encode("latin-1")

    @cached_property
    def _every(self) -> bytes:
        """A table of a megabyte, built for the first text that is not ASCII."""
        return self.table()

    def symbol(self, point: int) -> int:
        return self.symbols[bisect_right(self.starts, point) - 1]

    def table(self, size: int = LAST + 1) -> bytes:
        """Return the symbols of the first ``size`` characters."""
        ends = [*self.starts[1:], LAST + 1]
        runs = zip(self.starts, ends, self.symbols, strict=True)
        return b"".join(
            bytes([symbol]) * (min(end, size) - start)
            for start, end, symbol in runs
            if start < size
        )


class Translation(NamedTuple):
    """The expression and symbols for RE2."""

    text: str
    alphabet: Alphabet
    fields: tuple[tuple[str, int], ...]
    """Named groups with their numbers there."""
    ends: tuple[int, ...]
    """Groups that matched the newline before the end for ``$``; it belongs to no field."""


def translated(expression: str) -> Translation:
    """Return the expression for RE2.

    Raises:
        Untranslatable: RE2 cannot express it.
    """
    tree = _parser.parse(expression)
    return _Re2Writer(tree).translation()


def _nodes(nodes: Sequence[Node], flags: int) -> Iterator[tuple[Node, int]]:
    """Yield every node that matches a character or a position, with its flags."""
    for code, argument in nodes:
        if code in _CANNOT:
            raise Untranslatable(_CANNOT[code])
        if code is codes.SUBPATTERN:
            _, added, removed, inner = argument
            yield from _nodes(inner, flags_within(flags, added, removed))
        elif code is codes.BRANCH:
            for way in argument[1]:
                yield from _nodes(way, flags)
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            yield from _nodes(argument[2], flags)
        else:
            yield (code, argument), flags


class _Re2Writer:
    """Writes from left to right, and counts the groups."""

    def __init__(self, tree: Any) -> None:
        self._tree, self._flags = tree, tree.state.flags
        self._names = {number: name for name, number in tree.state.groupdict.items()}
        self._fields: list[tuple[str, int]] = []
        self._ends: list[int] = []
        self._groups = 0
        nodes = list(_nodes(tree, self._flags))
        self._sets = {characters(node, flags) for node, flags in nodes if node[0] in ONE_CHARACTER}
        boundaries = {
            bool(flags & re.ASCII)
            for (code, place), flags in nodes
            if code is codes.AT and place is codes.AT_BOUNDARY
        }
        if len(boundaries) > 1:
            raise Untranslatable(r"has \b both of ASCII and of all letters")
        word = (codes.IN, [(codes.CATEGORY, codes.CATEGORY_WORD)])
        words = [characters(word, re.ASCII if is_ascii else 0) for is_ascii in boundaries]
        self._alphabet, self._symbols = _alphabet(self._sets, words)

    def translation(self) -> Translation:
        text = self._sequence(self._tree, self._flags, is_last=True)
        return Translation(text, self._alphabet, tuple(self._fields), tuple(self._ends))

    def _sequence(self, nodes: Sequence[Node], flags: int, *, is_last: bool) -> str:
        last = len(nodes) - 1
        return "".join(
            self._one(node, flags, is_last=is_last and at == last) for at, node in enumerate(nodes)
        )

    def _one(self, node: Node, flags: int, *, is_last: bool) -> str:
        code, argument = node
        if code in ONE_CHARACTER:
            return _class(self._symbols[characters(node, flags)])
        if code is codes.AT:
            return self._place(argument, flags, is_last=is_last)
        if code is codes.SUBPATTERN:
            number, added, removed, inner = argument
            name = self._names.get(number)
            if name is not None:
                self._groups += 1
                self._fields.append((name, self._groups))
            text = self._sequence(inner, flags_within(flags, added, removed), is_last=is_last)
            return f"({text})" if name is not None else f"(?:{text})"
        if code is codes.BRANCH:
            ways = (self._sequence(way, flags, is_last=is_last) for way in argument[1])
            return f"(?:{'|'.join(ways)})"
        if code not in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            raise Untranslatable(f"holds {str(code).lower()}")
        least, most, body = argument
        fields = len(self._fields)
        often = f"{{{least},{'' if most is codes.MAXREPEAT else most}}}"
        lazy = "?" if code is codes.MIN_REPEAT else ""
        text = f"(?:{self._sequence(body, flags, is_last=False)}){often}{lazy}"
        if most > 1 and body.getwidth()[0] == 0 and len(self._fields) > fields:
            # A last, empty round of the loop sets the group in Python and not in RE2.
            raise Untranslatable("repeats a group inside of what may be empty")
        return text

    def _place(self, place: Any, flags: int, *, is_last: bool) -> str:
        is_by_line = bool(flags & re.MULTILINE)
        if place is codes.AT_BEGINNING:
            return "(?m:^)" if is_by_line else r"\A"
        if place is codes.AT_END and is_by_line:
            return "(?m:$)"
        if place is codes.AT_END and is_last:
            self._groups += 1
            self._ends.append(self._groups)
            return r"(\n?)\z"
        written = {
            codes.AT_BEGINNING_STRING: r"\A",
            codes.AT_END_STRING: r"\z",
            codes.AT_BOUNDARY: r"\b",
        }.get(place)
        if written is None:
            raise Untranslatable("has a $ before its end" if place is codes.AT_END else r"holds \B")
        return written


def _alphabet(
    sets: set[Characters], words: Sequence[Characters]
) -> tuple[Alphabet, dict[Characters, list[int]]]:
    """Return the symbol of each character, and the symbols of each set."""
    all_sets = [*sets, *words, _NEWLINE]
    starts = sorted(
        {0, *(edge for one in all_sets for first, last in one for edge in (first, last + 1))}
    )
    starts = [start for start in starts if start <= LAST]
    members = [_within(one, starts) for one in all_sets]
    kinds = list(zip(*members, strict=True))
    free = {False: iter(_OTHER_SYMBOLS), True: iter(_WORD_SYMBOLS)}
    given: dict[tuple[bool, ...], int] = {}
    for kind in kinds:
        if kind not in given:
            is_word = any(kind[len(sets) : -1])
            symbol = 10 if kind[-1] else next(free[is_word], None)
            if symbol is None and not words:
                symbol = next(free[not is_word], None)
            if symbol is None:
                raise Untranslatable("tells too many characters apart")
            given[kind] = symbol
    symbols = {
        one: sorted(symbol for kind, symbol in given.items() if kind[at])
        for at, one in enumerate(sets)
    }
    return Alphabet(starts, [given[kind] for kind in kinds]), symbols


def _within(some: Characters, starts: Sequence[int]) -> list[bool]:
    """Return for each start whether it is in the set; ranges begin and end at starts."""
    edges = [edge for first, last in some for edge in (first, last + 1)]
    return [bisect_right(edges, start) % 2 == 1 for start in starts]


def _class(symbols: Sequence[int]) -> str:
    if not symbols:
        return r"[^\x00-\xff]"
    return "[" + "".join(f"\\x{symbol:02x}" for symbol in symbols) + "]"

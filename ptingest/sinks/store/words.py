"""Words as the text index sees them, for what the index cannot answer: fields that it does
not hold, and wildcards that are more than a word's beginning.

A word is a run of letters and digits (and accents that follow them), in any case; SQLite's
``unicode61`` tokenizer says the same, save for the case of a few letters (`ſ`, `İ`, `µ`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")

Phrase = tuple[str, ...]
"""Consecutive words, in lower case; each may hold ``*``."""


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


def phrase(pieces: Sequence[str]) -> Phrase:
    """Return what must stand in a row for one written word; ``pieces`` lie between its ``*``."""
    # A private character stands for the wildcard, so that an escaped * stays punctuation.
    written = "\ue000".join(piece.lower() for piece in pieces)
    pattern = re.compile(r"(?:\ue000|[^\W_])(?:\ue000|[^\W_]|[\u0300-\u036f])*")
    return tuple(word.replace("\ue000", "*") for word in pattern.findall(written))


def finder(phrases: Sequence[Phrase]) -> Callable[[object], bool]:
    """Return a test whether a text holds any of ``phrases``."""
    tests = [(_longest_piece(sought), [_word_test(word) for word in sought]) for sought in phrases]

    def is_found(text: object) -> bool:
        if not isinstance(text, str):
            return False
        lowered = text.lower()
        # Most texts lack even that piece, and splitting into words costs ten times as much.
        left = [in_a_row for piece, in_a_row in tests if piece in lowered]
        if not left:
            return False
        found = words(text)
        return any(_stands_in(found, in_a_row) for in_a_row in left)

    return is_found


def _longest_piece(sought: Phrase) -> str:
    return max((piece for word in sought for piece in word.split("*")), key=len)


def _word_test(word: str) -> Callable[[str], object]:
    if "*" not in word:
        return word.__eq__
    return re.compile(".*".join(map(re.escape, word.split("*"))), re.DOTALL).fullmatch


def _stands_in(found: list[str], tests: Sequence[Callable[[str], object]]) -> bool:
    return any(
        all(test(found[start + place]) for place, test in enumerate(tests))
        for start in range(len(found) - len(tests) + 1)
    )

"""Words as the text index sees them, for what the index cannot answer: fields that it does
not hold, and wildcards that are more than a word's beginning.

A word is a run of letters and digits (and accents that follow them), in any case; SQLite's
``unicode61`` tokenizer says the same, save for the case of a few letters (`ſ`, `İ`, `µ`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from ptingest.kql.deadline import TimeIsUp
from ptingest.kql.globs import glob_test

# Runs, not one character at a time: for each turn of a group that may be taken back `re`
# keeps a place, 2 GB of them for a word of 16 MiB.
_WORD = re.compile(r"[^\W_]++(?:[\u0300-\u036f]++[^\W_]*+)*+")
_WORDS_AT_ONCE = 4096
"""Of a long text so many are held, and between two of them other threads may work."""

Phrase = tuple[str, ...]
"""Consecutive words, in lower case; each may hold ``*``."""


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


def phrase(pieces: Sequence[str]) -> Phrase:
    """Return what must stand in a row for one written word; ``pieces`` lie between its ``*``."""
    # A private character stands for the wildcard, so that an escaped * stays punctuation.
    written = "\ue000".join(piece.lower() for piece in pieces)
    pattern = re.compile(r"(?:\ue000|[^\W_])(?:\ue000|[^\W_]|[\u0300-\u036f])*+")
    return tuple(word.replace("\ue000", "*") for word in pattern.findall(written))


def finder(
    phrases: Sequence[Phrase], is_time_up: Callable[[], bool] = lambda: False
) -> Callable[[object], bool]:
    """Return a test whether a text holds any of ``phrases``.

    The test raises ``TimeIsUp`` in the middle of a text, once ``is_time_up``.
    """
    tests = [(_longest_piece(sought), [_word_test(word) for word in sought]) for sought in phrases]

    def is_found(text: object) -> bool:
        if not isinstance(text, str):
            return False
        lowered = text.lower()
        # Most texts lack even that piece, and splitting into words costs ten times as much.
        left = [in_a_row for piece, in_a_row in tests if piece in lowered]
        if not left:
            return False
        longest = max(map(len, left))
        for found in _stretches(lowered, longest - 1):
            if any(_stands_in(found, in_a_row) for in_a_row in left):
                return True
            if is_time_up():
                raise TimeIsUp
        return False

    return is_found


def _stretches(lowered: str, overlap: int) -> Iterator[list[str]]:
    """Yield the words of a text, so many at once; each begins with the last of those before."""
    found = (word[0] for word in _WORD.finditer(lowered))
    kept: list[str] = []
    while some := list(islice(found, _WORDS_AT_ONCE)):
        yield kept + some
        kept = (kept + some)[-overlap:] if overlap else []


def _longest_piece(sought: Phrase) -> str:
    return max((piece for word in sought for piece in word.split("*")), key=len)


def _word_test(word: str) -> Callable[[str], bool]:
    return glob_test(word.split("*"))


def _stands_in(found: list[str], tests: Sequence[Callable[[str], bool]]) -> bool:
    return any(
        all(test(found[start + place]) for place, test in enumerate(tests))
        for start in range(len(found) - len(tests) + 1)
    )

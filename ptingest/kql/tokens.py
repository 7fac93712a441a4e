"""Words as the text index has them, for tests that the index cannot make: of fields that it
does not hold, and of wildcards elsewhere than at a word's end.

A word is a run of letters and digits (and accents that follow them), in any case; SQLite's
``unicode61`` tokenizer does the same, except for the case of a few letters (`ſ`, `İ`, `µ`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from ptingest.kql.deadline import TimeIsUp
from ptingest.kql.globs import glob_test

# Runs, not one character at a time: `re` keeps a place for each repetition of a group that may
# be given back, 2 GB of them for a word of 16 MiB.
_WORD = re.compile(r"[^\W_]++(?:[\u0300-\u036f]++[^\W_]*+)*+")
_WORDS_AT_ONCE = 4096
"""Words of a long text that are held at the same time; between two parts other threads may run."""

Phrase = tuple[str, ...]
"""Consecutive words, in lower case; each may hold ``*``."""


def words(text: str) -> list[str]:
    """Return the words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


def phrase(pieces: Sequence[str]) -> Phrase:
    """Return the consecutive words for one written word; ``pieces`` are the texts between its
    ``*``."""
    # A private character replaces the wildcard, so that an escaped * stays punctuation.
    written = "\ue000".join(piece.lower() for piece in pieces)
    pattern = re.compile(r"(?:\ue000|[^\W_])(?:\ue000|[^\W_]|[\u0300-\u036f])*+")
    return tuple(word.replace("\ue000", "*") for word in pattern.findall(written))


def finder(
    phrases: Sequence[Phrase], is_time_up: Callable[[], bool] = lambda: False
) -> Callable[[object], bool]:
    """Return a test whether a text holds any of ``phrases``.

    The test raises ``TimeIsUp`` within a text when ``is_time_up`` returns True.
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
        for found in _parts(lowered, longest - 1):
            if any(_is_in(found, in_a_row) for in_a_row in left):
                return True
            if is_time_up():
                raise TimeIsUp
        return False

    return is_found


def _parts(lowered: str, overlap: int) -> Iterator[list[str]]:
    """Yield the words of a text in parts; each part begins with the last words of the part
    before."""
    found = (word[0] for word in _WORD.finditer(lowered))
    last_words: list[str] = []
    while some := list(islice(found, _WORDS_AT_ONCE)):
        yield last_words + some
        last_words = (last_words + some)[-overlap:] if overlap else []


def _longest_piece(sought: Phrase) -> str:
    return max((piece for word in sought for piece in word.split("*")), key=len)


def _word_test(word: str) -> Callable[[str], bool]:
    return glob_test(word.split("*"))


def _is_in(found: list[str], tests: Sequence[Callable[[str], bool]]) -> bool:
    return any(
        all(test(found[start + place]) for place, test in enumerate(tests))
        for start in range(len(found) - len(tests) + 1)
    )

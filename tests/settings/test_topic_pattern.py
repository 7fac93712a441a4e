"""A pattern of topics finds in the client's expressions what it finds in Python's."""

from __future__ import annotations

import ctypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.settings.topic_pattern import client_pattern

EXTENDED_WITHOUT_PLACES = 1 | 8
"""Of ``regcomp``, as the client calls it, in the C libraries of Linux."""


def posix_finds(pattern: str, names: list[str]) -> list[bool]:
    """Which names an expression is found in, by the C library that the client calls."""
    library, compiled = ctypes.CDLL(None), ctypes.create_string_buffer(512)
    error = library.regcomp(compiled, pattern.encode(), EXTENDED_WITHOUT_PLACES)
    assert error == 0, f"{pattern} is no expression: {error}"
    try:
        return [library.regexec(compiled, name.encode(), 0, None, 0) == 0 for name in names]
    finally:
        library.regfree(compiled)


def python_finds(pattern: str, names: list[str]) -> list[bool]:
    return [re.search(pattern, name) is not None for name in names]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^logs-\d+$", "^logs-[0-9]+$"),
        ("^(?:a|b)", "^(a|b)"),
        (r"^\w+?\.x??", r"^[A-Za-z0-9_]+\.x?"),
        (r"^a\-[\w\-.]{,3}$", r"^a-[A-Za-z0-9_.-]{0,3}$"),
        (r"^[\-]$", "^[-]$"),
        (r"^[a\--]$", "^[a-]$"),
        ("^celery.*", "^celery.*"),
        ("^a{2}|b$", "^a{2}|b$"),
    ],
)
def test_what_the_client_says_otherwise_is_put_into_its_words(pattern: str, expected: str) -> None:
    assert client_pattern(pattern) == expected


SIGNS = ("a", "d", "9", "_", "-", ".", r"\.", r"\-", r"\d", r"\w")
SETS = ("[ad]", "[^d]", r"[\w.-]", r"[^\d-]", r"[a\-9]", r"[-\-.]", r"[^\-]", r"[\-\-.]")
OTHERS = ("(?:", "(", ")", "|", "^", "$", "*", "+", "?", "+?", "{2}", "{,1}", "{1,}?", "{0,2}")
PARTS = st.sampled_from((*SIGNS, *SETS, *OTHERS))
NAMES = st.lists(st.text("ad9_-.", min_size=1, max_size=6), min_size=1, max_size=8)


@given(parts=st.lists(PARTS, max_size=8), names=NAMES)
def test_it_finds_the_same_names_in_both_and_stays_as_it_is(
    parts: list[str], names: list[str]
) -> None:
    pattern = "^" + "".join(parts)
    try:
        translated = client_pattern(pattern)
    except ValueError:
        return

    assert posix_finds(translated, names) == python_finds(pattern, names)
    assert client_pattern(translated) == translated


@pytest.mark.parametrize(
    ("pattern", "seen"),
    [
        ("^(?!abc)d.*", r"cannot be followed from '(?!abc)d.*' on (character 2); letters"),
        ("^(?i)x", "cannot be followed from '(?i)x' on (character 2)"),
        (r"^a\D", r"cannot be followed from '\\D' on (character 3)"),
        (r"^a\b", r"cannot be followed from '\\b' on"),
        (r"^(a)\1", r"cannot be followed from '\\1' on"),
        ("^[[:digit:]]", "cannot be followed from '[[:digit:]]' on"),
        ("^a/b", "cannot be followed from '/b' on"),
        ("^a++", "cannot be followed from '++' on"),
        ("^a{256}", "cannot be followed from '{256}' on"),
        ("^a{2,1}", "cannot be read: min repeat greater than max repeat"),
        ("^*", "cannot be read: nothing to repeat"),
        ("^a)", "cannot be read: unbalanced parenthesis"),
        ("^[z-a]", "cannot be read: bad character range"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(pattern: str, seen: str) -> None:
    with pytest.raises(ValueError, match=re.escape(seen)):
        client_pattern(pattern)

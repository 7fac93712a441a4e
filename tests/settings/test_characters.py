from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.settings.characters import ALL, NONE, are_apart, characters, inverted, joined

PLACES = ["a", r"\w", r"\W", r"\d", r"\S", "[^\\s,]", "[a-f\\d_]", ".", "(?s:.)", "(?i:[i-k])",
          "(?i:ſ)", "(?i:[^K])", "(?a:\\w)", "(?ai:[^k\\d])", "[^a]", "(?i:µ)"]  # fmt: skip
POINTS = st.integers(0, 0x10FFFF) | st.sampled_from([ord(one) for one in "aikKİıſsSKµμ_0٣\n\x1c "])


@pytest.mark.parametrize("place", PLACES)
@settings(deadline=None)
@given(point=POINTS)
def test_a_set_holds_what_the_place_takes(place: str, point: int) -> None:
    (node,), flags = list(_parser.parse(place)), re.UNICODE
    if str(node[0]) == "SUBPATTERN":
        _, added, removed, (node,) = node[1]
        flags = (flags | added) & ~removed

    found = any(first <= point <= last for first, last in characters(node, flags))

    assert found == (re.fullmatch(place, chr(point)) is not None)


def test_sets_are_joined_inverted_and_held_apart() -> None:
    some = ((3, 4), (7, 9))

    assert joined([some, ((5, 5), (9, 12))]) == ((3, 5), (7, 12))
    assert inverted(inverted(some)) == some
    assert (inverted(ALL), inverted(NONE)) == (NONE, ALL)
    assert are_apart(some, ((5, 6), (10, 10)))
    assert not are_apart(some, ((4, 5),))

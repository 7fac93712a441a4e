from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.kql.globs import glob_test


@settings(deadline=None)
@given(
    pieces=st.lists(st.text("ab\n", max_size=3), min_size=1, max_size=5),
    text=st.text("ab\n", max_size=12),
)
def test_a_glob_is_what_its_expression_is(pieces: list[str], text: str) -> None:
    expression = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)

    assert glob_test(pieces)(text) == (expression.fullmatch(text) is not None)


class CountedText(str):
    """Counts the characters that a search passes."""

    passed = 0

    def find(self, *args: object) -> int:  # type: ignore[override]
        piece, start, end = args
        found = super().find(*args)  # type: ignore[arg-type]
        CountedText.passed += (found + len(str(piece)) if found >= 0 else int(str(end))) - int(
            str(start)
        )
        return found


@pytest.mark.parametrize("stars", [2, 8, 4_000])
def test_no_part_of_a_text_is_gone_over_twice(stars: int) -> None:
    text = CountedText("a" * 100_000)
    CountedText.passed = 0

    assert not glob_test(["", *["a"] * stars, "b", "a"])(text)

    assert 0 < CountedText.passed <= len(text)

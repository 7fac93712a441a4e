from __future__ import annotations

import pytest

from ptingest.doctor.finding import share


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 2, "1 of 2 (50 %)"),
        (1, 3, "1 of 3 (33.3 %)"),
        (1, 1_000_000, "1 of 1000000 (under 0.1 %)"),
        (0, 10, "0 of 10 (0 %)"),
        (0, 0, "0 of 0 (0 %)"),
    ],
)
def test_a_share_is_told_with_its_numbers(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text

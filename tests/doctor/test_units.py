"""Numbers as people read them."""

from __future__ import annotations

import pytest

from ptingest.doctor.units import (
    count,
    cut,
    duration,
    plural,
    rate,
    share,
    short_count,
    short_duration,
    size,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.0042, "4.2 ms"),
        (0.25, "250 ms"),
        (5.04, "5.0 s"),
        (42, "42 s"),
        (75, "1 min 15 s"),
        (3700, "1 h 1 min"),
        (93_600, "1 d 2 h"),
        (-3, "−3.0 s"),
    ],
)
def test_a_duration_has_the_unit_people_would_use(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (2_621_440, "2.5 MiB"), (1 << 27, "128 MiB")]
)
def test_a_size_is_in_powers_of_1024(number: int, text: str) -> None:
    assert size(number) == text


def test_thousands_are_separated() -> None:
    assert count(1_234_567) == "1,234,567"


def test_a_low_rate_has_a_digit_more() -> None:
    assert [rate(0), rate(0.02), rate(0.25), rate(1234.5)] == ["0", "< 0.1", "0.2", "1,234"]


def test_what_is_cut_is_counted() -> None:
    assert cut("abcdef", 4) == "abcd… (2 more)"
    assert cut("abcd", 4) == "abcd"


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


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 windows"), (1, "1 window"), (1200, "1,200 windows")]
)
def test_a_number_of_things_is_in_the_plural_unless_it_is_one(number: int, text: str) -> None:
    assert plural(number, "window") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1.5, "1.5"),
        (99999, "99999"),
        (123456, "123k"),
        (5e7, "50M"),
        (2e11, "200G"),
    ],
)
def test_counts_are_short(value: float | None, text: str) -> None:
    assert short_count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.0123, "12ms"),
        (3.44, "3.4s"),
        (306, "5m06s"),
        (11520, "3h12m"),
        (792000, "9d4h"),
    ],
)
def test_times_are_short(value: float | None, text: str) -> None:
    assert short_duration(value) == text

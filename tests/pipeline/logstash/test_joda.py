"""Printing by Joda's letters."""

import pytest

from ptingest.pipeline.logstash.joda import compile_joda, format_joda, joda_parts
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.recorded_times import RECORDED


def test_moments_are_printed_as_joda_printed_them() -> None:
    wrong = [
        (pattern, millis, text)
        for pattern, millis, text in RECORDED["joda_print"]
        if compile_joda(pattern)(Timestamp(millis * 1_000_000)) != text
    ]

    assert wrong == []


def test_a_compiled_pattern_follows_the_moment() -> None:
    day, clock = compile_joda("yyyy.MM.dd"), compile_joda("HH:mm:ss.SSS")

    texts = [
        (day(Timestamp(ns)), clock(Timestamp(ns)))
        for ns in (0, 86_399_999_000_000, 86_400_000_000_000, 86_399_999_000_000)
    ]

    assert texts == [
        ("1970.01.01", "00:00:00.000"),
        ("1970.01.01", "23:59:59.999"),
        ("1970.01.02", "00:00:00.000"),
        ("1970.01.01", "23:59:59.999"),
    ]


@pytest.mark.parametrize(("pattern", "said"), [("", "empty"), ("yyyy Q", "Q"), ("abc", "letter b")])
def test_a_pattern_that_joda_refuses_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compile_joda(pattern)


def test_quotes_hold_text_and_two_are_one() -> None:
    assert format_joda(Timestamp(0), "'year' yyyy 'o''clock' HH 'x") == "year 1970 o'clock 00 x"
    assert [part.text for part in joda_parts("yy''MM")] == ["", "'", ""]

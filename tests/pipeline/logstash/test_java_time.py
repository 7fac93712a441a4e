"""Printing by java.time's letters."""

import pytest

from ptingest.pipeline.logstash.java_time import compile_java_time
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.recorded_times import RECORDED


def printed(pattern: str, millis: int) -> str | None:
    try:
        return compile_java_time(pattern)(Timestamp(millis * 1_000_000))
    except ValueError:
        return None


def test_moments_are_printed_as_java_printed_them() -> None:
    wrong = [row for row in RECORDED["java_print"] if printed(row[0], row[1]) != row[2]]

    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-01-02T03:04:05.067Z"),
        ("ppH", " 3"),
        ("[yyyy]", "2026"),
        ("''", "'"),
        ("'o''clock'", "o'clock"),
    ],
)
def test_text_stands_in_quotes(pattern: str, text: str) -> None:
    assert printed(pattern, 1_767_323_045_067) == text


@pytest.mark.parametrize("pattern", ["'a", "{", "#", "]", "pp", "T", "VVV"])
def test_what_java_refuses_is_refused(pattern: str) -> None:
    assert printed(pattern, 0) is None


@pytest.mark.parametrize(
    ("hour", "text"), [(0, "midnight"), (3, "at night"), (12, "noon"), (18, "in the evening")]
)
def test_parts_of_the_day_have_names(hour: int, text: str) -> None:
    assert printed("B", hour * 3_600_000) == text

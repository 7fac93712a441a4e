"""Marking what a query asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.api.console.highlights import Highlights


def marked(query: str, field: str, text: str) -> str:
    """The text with each hit between brackets."""
    pieces = Highlights(query).pieces(field, text)
    return "".join(f"[{one.text}]" if one.is_hit else one.text for one in pieces)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("carrier", "the [Carrier] said no to carriers"),
        ("message:carrier or log_message:no", "the [Carrier] said [no] to carriers"),
        ("said no", "the Carrier [said] [no] to carriers"),
        ('"said no"', "the Carrier [said no] to carriers"),
        ("carr*", "the [Carrier] said no to [carriers]"),
        ('"carrier said" and "said no"', "the [Carrier said][ no] to carriers"),
        ("not carrier and no", "the Carrier said [no] to carriers"),
        ("service:carrier", "the Carrier said no to carriers"),
        ("*", "the Carrier said no to carriers"),
        ("", "the Carrier said no to carriers"),
        ("message:*", "the Carrier said no to carriers"),
        ("carrier and (", "the Carrier said no to carriers"),
        ("xyz", "the Carrier said no to carriers"),
    ],
)
def test_words_of_a_message_are_marked_as_they_are_searched(query: str, expected: str) -> None:
    assert marked(query, "message", "the Carrier said no to carriers") == expected


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("service:django", "django", "[django]"),
        ("service:dj*", "django", "[django]"),
        ('service:"dj*"', "django", "django"),
        ("service:(celery or django)", "django", "[django]"),
        ("not service:django", "django", "django"),
        ("service:*", "django", "django"),
        ("service:Django", "django", "django"),
        ("stream:django", "django", "django"),
        ("django", "django", "django"),
    ],
)
def test_the_value_of_another_field_is_marked_whole(query: str, text: str, expected: str) -> None:
    assert marked(query, "service", text) == expected


@given(st.text(), st.sampled_from(["a", "a*", '"a b"', "a or b c", "*a*"]))
def test_no_text_is_lost_or_changed(text: str, query: str) -> None:
    assert "".join(one.text for one in Highlights(query).pieces("message", text)) == text


def test_many_words_and_a_long_text_are_bounded() -> None:
    query = " ".join(f"w{number}*" for number in range(1000))

    pieces = Highlights(query).pieces("message", "w1 " * 100_000)

    assert sum(one.is_hit for one in pieces) < 10_000
    assert "".join(one.text for one in pieces) == "w1 " * 100_000

"""Nothing that an event holds commands the terminal that shows it."""

from __future__ import annotations

import json
import unicodedata

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.cli.visible import (
    document_text,
    escaped,
    one_line,
    visible,
    visible_json,
    visible_lines,
)

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u200b\x7f\r\n\tend"
any_text = st.text(st.characters(codec=None), max_size=50)


def commands(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"]


@given(any_text)
@pytest.mark.timeout(60)
def test_a_line_holds_printable_characters_only(text: str) -> None:
    assert visible(text).isprintable()
    assert escaped(text).isprintable()


@given(st.text(max_size=50))
@pytest.mark.timeout(60)
def test_json_keeps_its_value_and_commands_nothing(text: str) -> None:
    shown = visible_json(json.dumps({text: [text]}, ensure_ascii=False))

    assert json.loads(shown) == {text: [text]}
    assert [c for c in commands(shown) if unicodedata.category(c) != "Cf"] == []


def test_what_is_hostile_in_json_is_spelled_with_escapes() -> None:
    shown = visible_json(json.dumps(HOSTILE, ensure_ascii=False))

    assert commands(shown) == []
    assert json.loads(shown) == HOSTILE


def test_text_that_is_no_json_is_made_visible() -> None:
    assert visible_json("not json \x1b[2J") == "not json \N{REPLACEMENT CHARACTER}[2J"


def test_a_line_says_where_it_was_broken() -> None:
    assert visible("a\nb\tc\r\x1b[31m") == "a⏎b c\N{REPLACEMENT CHARACTER}[31m"
    assert escaped("a\nb\x1b[31m") == "a\\nb\\x1b[31m"


def test_lines_stay_lines_and_hold_nothing_that_commands() -> None:
    assert (
        visible_lines("a\x1b[2J\nb\x07")
        == "a\N{REPLACEMENT CHARACTER}[2J\nb\N{REPLACEMENT CHARACTER}"
    )
    assert visible_lines("plain") == "plain"


TEXTS = st.text() | st.text(alphabet='a\u0085\u2028\u2029\r\n\x0b\x1c"\\', max_size=8)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, TEXTS | st.integers()))
def test_a_value_is_one_line_to_every_reader_and_still_the_same(value: dict[str, object]) -> None:
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")

    line = one_line(encoded)

    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == json.loads(encoded)


def test_a_carriage_return_between_tokens_ends_no_line() -> None:
    assert one_line(b'{"a":\r1}') == b'{"a": 1}\n'


DOCUMENT = {
    "@timestamp": "2025-01-02T03:04:05.000Z",
    "log_level": "ERROR",
    "service": "django",
    "logger_name": "apps.parcels",
    "log_message": "broken",
    "message": "ERROR|apps.parcels|...|broken",
}


def plain(document: dict[str, object]) -> str:
    return click.unstyle(document_text(document, "logs-x-pt"))


def test_time_level_service_logger_and_text() -> None:
    assert plain(DOCUMENT) == "2025-01-02T03:04:05.000Z ERROR    django apps.parcels broken"


def test_what_is_missing_leaves_no_hole() -> None:
    assert plain({"message": "x"}) == "- -        logs-x-pt x"


@pytest.mark.parametrize("field", ["@timestamp", "log_level", "service", "logger_name", "message"])
def test_nothing_in_a_document_commands_the_terminal(field: str) -> None:
    text = plain({field: "a\x1b[2J\x9b31m\u202eb\nc"})

    assert all(line.isprintable() for line in text.split("\n"))


def test_a_traceback_keeps_its_lines_indented_below_the_first() -> None:
    traceback = (
        'broken\r\nTraceback (most recent call last):\n  File "x.py", line 1\nValueError\n\n'
    )

    assert plain({**DOCUMENT, "log_message": traceback}).split("\n") == [
        "2025-01-02T03:04:05.000Z ERROR    django apps.parcels broken",
        "    Traceback (most recent call last):",
        '      File "x.py", line 1',
        "    ValueError",
    ]


def test_no_line_of_a_message_passes_for_another_document() -> None:
    forged = "a\n2025-01-02T03:04:05.000Z CRITICAL django it is over"

    second = plain({**DOCUMENT, "log_message": forged}).split("\n")[1]

    assert not second.startswith("2025")


@pytest.mark.parametrize("field", ["@timestamp", "log_level", "service", "logger_name"])
def test_a_line_break_elsewhere_makes_no_line(field: str) -> None:
    assert "\n" not in plain({**DOCUMENT, field: "a\nb"})


def test_a_field_of_an_odd_type_is_shown_as_json() -> None:
    assert "[1,null]" in plain({"message": [1, None]})

"""Nothing that an event holds commands the terminal that shows it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.cli.visible import escaped, visible, visible_json, visible_lines

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

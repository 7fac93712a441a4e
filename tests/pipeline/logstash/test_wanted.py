"""Whether anything may be done with an event, told before it is built."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.pipeline.decode import Decoded, decode_payload
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.regex import RegexTimeout
from ptingest.pipeline.logstash.wanted import Wanted, compile_wanted


def wanted(condition: str) -> Wanted | None:
    config = parse(f"output {{ if {condition} {{ stdout {{ }} }} }}", {}, file="a.conf")
    return compile_wanted(config, frozenset(("message",)))


def answers(is_wanted: Wanted | None, *events: dict[str, Any]) -> list[bool]:
    assert is_wanted is not None
    found = []
    for event in events:
        sent = decode_payload(json.dumps(event).encode())
        assert isinstance(sent, Decoded)
        found.append(is_wanted(sent, 0))
    return found


def test_an_answer_holds_for_the_members_that_are_asked_for_and_no_others() -> None:
    is_wanted = wanted('[a][b] == "x" or [c]')
    events: list[dict[str, Any]] = [
        {"a": {"b": "x"}}, {"a": {"b": "x", "d": 1}}, {"a": {"b": "y"}}, {"c": 1}, {"a": 1},
        {"a": "1,2"}, {"a": 1, "c": 2}, {"b": "x"}, {},
    ]  # fmt: skip

    first, again = answers(is_wanted, *events), answers(is_wanted, *events)

    assert first == again == [True, True, False, True, False, False, True, False, False]


def test_what_the_input_may_refuse_or_cannot_be_compared_is_wanted() -> None:
    events: list[dict[str, Any]] = [{"n": 1}, {"n": 1, "tags": 3}, {"n": 1, "event": 3}, {}]

    assert answers(wanted("[n] > 5"), *events) == [False, True, True, True]


@pytest.mark.parametrize("condition", ["[message]", "[@metadata][x]", "[a[b]"])
def test_nothing_is_told_from_what_the_input_changes(condition: str) -> None:
    assert wanted(condition) is None


def test_what_took_too_long_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Slow:
        needle = ""

        @staticmethod
        def search(text: str) -> object:
            asked.append(text)
            raise RegexTimeout("too long")

    monkeypatch.setattr("ptingest.pipeline.logstash.conditions.compile_regex", lambda _text: Slow)

    assert answers(wanted("[a] =~ /x/"), {"a": "x"}, {"a": "x"}) == [True, True]
    assert asked == ["x", "x"]

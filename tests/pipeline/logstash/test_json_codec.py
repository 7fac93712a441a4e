"""What the codec ``json`` makes of a text."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.decode import MAX_DEPTH
from ptingest.pipeline.logstash.json_codec import events_of_json

NOW = 1_767_323_045_000_000_000
DEEP = '{"event":' * MAX_DEPTH + "[]" + "}" * MAX_DEPTH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1}', [{"a": 1, "event": {"original": '{"a":1}'}}]),
        ('{"event":{"original":"x"}}', [{"event": {"original": "x"}}]),
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        ("[]", []),
        ("[1]", [{"message": "[1]", "tags": ["_jsonparsefailure"]}]),
        ('{"event":7}', [{"message": '{"event":7}', "tags": ["_jsonparsefailure"]}]),
        (
            '{"event":' * 100_000,
            [{"message": '{"event":' * 100_000, "tags": ["_jsonparsefailure"]}],
        ),
        (DEEP, [{"message": DEEP, "tags": ["_jsonparsefailure"]}]),
    ],
)
def test_a_text_becomes_events(text: str, expected: list[dict[str, Any]]) -> None:
    events = events_of_json(text, has_ecs=True, now_ns=NOW)

    assert [
        {name: value for name, value in one.fields.items() if name[0] != "@"} for one in events
    ] == expected


def test_a_text_may_have_as_many_levels_as_a_payload() -> None:
    text = '{"event":' * (MAX_DEPTH - 1) + "[]" + "}" * (MAX_DEPTH - 1)

    (event,) = events_of_json(text, has_ecs=True, now_ns=NOW)

    assert event.read("event")["original"] == text


def test_without_ecs_the_text_is_not_kept() -> None:
    (event,) = events_of_json('{"a":1}', has_ecs=False, now_ns=NOW)

    assert "event" not in event.fields

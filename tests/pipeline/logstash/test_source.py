"""Lines that set a field."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.source import Source, plain_path


def function(add: Any) -> Any:
    source = Source()
    add(source)
    return source.function()


def event(value: Any) -> Event:
    return Event({"a": value} if value is not None else {}, {"b": "x"}, 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {"a": {"b": {"c": 7}}}),
        ({}, {"a": {"b": {"c": 7}}}),
        ({"b": {}}, {"a": {"b": {"c": 7}}}),
        ({"b": {"c": None}}, {"a": {"b": {"c": 7}}}),
        (Raw(b'{"b":{}}'), {"a": {"b": {"c": 7}}}),
        ({"b": {"c": "old"}}, {"a": {"b": {"c": "old"}}, "otherwise": True}),
        ({"b": "text"}, {"a": {"b": "text"}, "otherwise": True}),
        ("text", {"a": "text", "otherwise": True}),
    ],
)
def test_a_field_below_the_root_is_set_unless_it_has_a_value(value: Any, expected: object) -> None:
    run = function(
        lambda source: source.set_below(("a", "b", "c"), "7", "root['otherwise'] = True", adds=True)
    )
    one = event(value)

    run(one)

    assert one.root == expected


def test_a_path_is_plain_unless_it_is_of_metadata_or_malformed() -> None:
    assert plain_path("[a][b]") == ("a", "b")
    assert plain_path("[@metadata][a]") is None
    assert plain_path("[a") is None

"""Fields and conditions in straight-line source."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.conditions import compile_condition
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.source import Source, condition_source, plain_path
from ptingest.pipeline.logstash.tree import Branch

VALUES: list[Any] = [
    None, "", "x", "xy", 0, 1.5, True, False, [], ["x"], {}, {"b": "x"}, {"b": {"c": "x"}},
    Raw(b'"x"'), Raw(b'{"b":{"c":"x"}}'), Raw(b"null"),
]  # fmt: skip


def function(add: Any) -> Any:
    source = Source()
    add(source)
    return source.function()


def event(value: Any) -> Event:
    return Event({"a": value} if value is not None else {}, {"b": "x"}, 0)


@pytest.mark.parametrize("field", ["[a]", "[a][b]", "[a][b][c]", "[@metadata][b]", "[a][0]"])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_condition_is_decided_as_its_closure_decides_it(field: str, value: Any) -> None:
    conditions = [
        field, f"!{field}", f'{field} == "x"', f'{field} != "x"', f'"x" in {field}',
        f'"x" not in {field}', f'{field} and {field} == "x"', f'{field} == "" or {field} =~ /y/',
        f'{field} in ["x", "1.5"]', f'{field} xor "x" in {field}', f"{field} < 1",
    ]  # fmt: skip
    for text in conditions:
        (statement,) = parse(f"filter {{ if {text} {{ }} }}", {}, file="a.conf").filters
        assert isinstance(statement, Branch)
        condition = statement.arms[0][0]
        assert condition is not None
        run = function(
            lambda source, found=condition: source.add(
                f"return {condition_source(source, found, compile_condition)[0]}"
            )
        )
        assert outcome(run, value) == outcome(compile_condition(condition), value), text


def outcome(decide: Any, value: Any) -> object:
    try:
        return bool(decide(event(value)))
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {"a": {"b": {"c": 7}}}),
        ({}, {"a": {"b": {"c": 7}}}),
        ({"b": {}}, {"a": {"b": {"c": 7}}}),
        ({"b": {"c": None}}, {"a": {"b": {"c": 7}}}),
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

"""Conditions in straight-line source, beside their closures."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from ptingest.pipeline.logstash.conditions import compile_condition
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.source import Source
from ptingest.pipeline.logstash.source_conditions import condition_source
from ptingest.pipeline.logstash.tree import Branch

VALUES: list[Any] = [
    None, "", "x", "xy", 0, 1.5, True, False, [], ["x"], {}, {"b": "x"}, {"b": {"c": "x"}},
    Raw(b'"x"'), Raw(b'{"b":{"c":"x"}}'), Raw(b"null"),
]  # fmt: skip


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
        source = Source()
        source.add(f"return {condition_source(source, condition, compile_condition)[0]}")
        run = source.function()
        assert outcome(run, value) == outcome(compile_condition(condition), value), text


def outcome(decide: Any, value: Any) -> object:
    try:
        return bool(decide(event(value)))
    except Exception as error:  # noqa: BLE001 - compared
        return type(error)

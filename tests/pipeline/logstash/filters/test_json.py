"""The filter ``json``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ptingest.pipeline.decode import MAX_DEPTH
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.filters.json import NotJson, parse_json
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.running import NOW, program, run, run_filter

FAILED = {"tags": ["_jsonparsefailure"]}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": {"b.c": [null]}}', {"a": {"b.c": [None]}}),
        ('{"[a][b]": 1, "": 2}', {"a": {"b": 1}, "": 2}),
        ('{"a": 1} {"b": 2}', {"b": 2}),
        ('\ufeff{"a": 1.5}', {"a": Decimal("1.5")}),
        ('{"tags": "t"}', {"tags": "t"}),
        ('{"a": 1, "tags": 5}', {"a": 1, **FAILED}),
        ('{"a": 1, "tags": null}', {"a": 1, **FAILED}),
        ('{"a": 1, "tags": [1]}', {"a": 1, **FAILED}),
        ('{"a": 1, "[b": 5}', {"a": 1, **FAILED}),
        ("[1]", FAILED),
        ("", FAILED),
        ("x", FAILED),
        (5, FAILED),
        ({"a": 1}, FAILED),
    ],
)
def test_a_text_becomes_fields(text: Any, fields: dict[str, Any]) -> None:
    assert run_filter('json { source => "m" remove_field => "nothing" }', m=text) == {
        "m": text,
        **fields,
    }


@pytest.mark.parametrize("fields", [{}, {"m": None}, {"m": False}])
def test_nothing_happens_without_a_text(fields: dict[str, Any]) -> None:
    assert run_filter('json { source => "m" add_tag => "x" }', **fields) == fields


@pytest.mark.parametrize(
    ("options", "text", "fields"),
    [
        ('target => "d"', "[1]", {"d": [1]}),
        ('target => "d"', "", {"d": None}),
        ('target => "[@metadata][d]"', "5", {"@metadata": {"d": 5}}),
        ('target => "[m][d]"', "5", FAILED),
        ("skip_on_invalid_json => true", "x", {}),
        ("skip_on_invalid_json => true", "[1]", FAILED),
        ('tag_on_failure => ["a", "b"]', "x", {"tags": ["a", "b"]}),
        ('add_tag => "ok"', '{"a": 1}', {"a": 1, "tags": ["ok"]}),
    ],
)
def test_options(options: str, text: str, fields: dict[str, Any]) -> None:
    assert run_filter(f'json {{ source => "m" {options} }}', m=text) == {"m": text, **fields}


@pytest.mark.parametrize(
    ("value", "time", "others"),
    [
        ('"2025-05-06T07:08:09Z"', Timestamp(1_746_515_289_000_000_000), {}),
        ("null", Timestamp(NOW), {}),
        ("5", Timestamp(NOW), {"_@timestamp": "5", "tags": ["_timestampparsefailure"]}),
    ],
)
def test_a_timestamp_becomes_the_time_of_the_event(
    value: str, time: Timestamp, others: dict[str, Any]
) -> None:
    event = new_event({"m": f'{{"@timestamp": {value}}}', "@timestamp": Timestamp(NOW)}, now_ns=NOW)
    program('filter { json { source => "m" remove_field => "m" } }').run(event)

    assert event.timestamp == time
    assert {key: one for key, one in event.fields.items() if key[:2] != "@v"} == {
        "@timestamp": time,
        **others,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0", 0),
        ("-0.0", Decimal("0.0")),
        ("1e400", Decimal("1e400")),
        ("12345678901234567890", 12345678901234567890),
        ('"\\ud83d\\ude00 \\ud800"', "😀 ?"),
        ('{"\\ud800": ["\\udfff"]}', {"?": ["?"]}),
        (" ", None),
    ],
)
def test_values_are_those_of_logstash(text: str, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    ["007", "NaN", "Infinity", '"x\ty"', "{'a':1}", "{a:1}", '{"a":1,}', "// c\n1", '{"a":1}x', "{",
     "1e99999999999999999999", "9" * 5000, "[" * 100_000, "12 x", "truefalse"],
)  # fmt: skip
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        parse_json(text)


def test_a_text_may_have_as_many_levels_as_a_payload() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert parse_json(deepest)
    with pytest.raises(NotJson):
        parse_json(f"[{deepest}]")


def test_a_json_text_that_was_removed_goes_on() -> None:
    assert run('filter { json { source => "m" remove_field => ["m"] } }', m='{"a":1}') == [{"a": 1}]

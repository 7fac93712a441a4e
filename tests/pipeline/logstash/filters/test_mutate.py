"""The filter ``mutate``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import program, run_filter


@pytest.mark.parametrize(
    ("body", "fields", "result"),
    [
        ('coerce => { "a" => "x" }', {"a": None}, {"a": "x"}),
        ('coerce => { "a" => "x" }', {}, {}),
        ('rename => { "a" => "[b][c]" }', {"a": 1}, {"b": {"c": 1}}),
        ('rename => { "a" => "b" }', {"b": 1}, {"b": 1}),
        ('rename => { "[l][0]" => "b" }', {"l": [None, 2]}, {"l": [2], "b": None}),
        ('rename => { "a" => "b" "b" => "c" "c" => "a" }', {"a": 1, "b": 2, "c": 3}, {"a": 1}),
        ('rename => { "a" => "b" } rename => { "a" => "d" }', {"a": 1}, {'"b", "d"': 1}),
        ('update => { "a" => "%{b}" }', {"a": None, "b": 1}, {"a": "1", "b": 1}),
        ('update => { "a" => "x" }', {}, {}),
        ('replace => { "[a][b]" => "x" }', {}, {"a": {"b": "x"}}),
        ('replace => { "@timestamp" => "x" }', {}, {"tags": ["_mutate_error"]}),
        ('uppercase => ["a"]', {"a": ["ß", 5]}, {"a": ["SS", 5]}),
        ('lowercase => "a" uppercase => "a"', {"a": "Xy"}, {"a": "xy"}),
        ('capitalize => "a"', {"a": "xY z"}, {"a": "Xy z"}),
        (
            'lowercase => "a" capitalize => "b"',
            {"a": "ΟΔΟΣ", "b": "ΣΑΣ"},
            {"a": "οδοσ", "b": "Σασ"},
        ),
        ('strip => "a"', {"a": " \t x\u00a0 "}, {"a": "x\u00a0"}),
        ('strip => "a"', {"a": ["x ", 5]}, {"a": ["x ", 5], "tags": ["_mutate_error"]}),
        ('split => { "a" => "," }', {"a": "a,,b,,"}, {"a": ["a", "", "b"]}),
        ('split => { "a" => "," }', {"a": ",,"}, {"a": []}),
        ('split => { "a" => " " }', {"a": " a  b "}, {"a": ["a", "b"]}),
        ('split => { "a" => " " }', {"a": "\0b\u00a0c\x1cd "}, {"a": ["\0b\u00a0c\x1cd"]}),
        ('join => { "a" => "-" }', {"a": [1, [None, "x"], {"k": 1}]}, {"a": '1--x-{"k"=>1}'}),
        ('merge => { "a" => "b" }', {"a": "x", "b": "y"}, {"a": ["x", "y"], "b": "y"}),
        ('merge => { "a" => "b" }', {"b": "y"}, {"a": ["y"], "b": "y"}),
        ('merge => { "a" => "b" }', {"a": {"x": 1}, "b": {}}, {"a": {"x": 1}, "b": {}}),
        ('merge => { "a" => "b" }', {"a": {"x": 1}, "b": 2}, {"a": {"x": 1}, "b": 2}),
        (
            'merge => { "a" => ["b", "c"] }',
            {"a": [1], "b": 2, "c": 3},
            {"a": [1, 2, 3], "b": 2, "c": 3},
        ),
        ('merge => { "a" => ["b", "c"] }', {"a": 1, "b": 2, "c": 3}, {"a": [1, 3], "b": 2, "c": 3}),
        ('merge => { "a" => "b" }', {}, {"a": []}),
        ('rename => { "%{k}" => "new" }', {"k": "a", "a": 1}, {"k": "a", "new": 1}),
        ('replace => { "[a][b]" => "x" }', {"a": [1]}, {"a": [1]}),
        ('replace => { "[a][2]" => "x" }', {"a": [1]}, {"a": [1, None, "x"]}),
        ('replace => { "[a][9999]" => "x" }', {"a": [1]}, {"a": [1], "tags": ["_mutate_error"]}),
        ('convert => { "tags" => "integer" }', {"tags": ["t"]}, {"tags": ["t", "_mutate_error"]}),
        ('copy => { "a" => "b" }', {"a": [1]}, {"a": [1], "b": [1]}),
        ('gsub => ["a", "x", "y"]', {"a": ["x", 5]}, {"a": ["y", 5]}),
        ('convert => { "a" => "integer" } replace => { "a" => "5" }', {"a": "1"}, {"a": 5}),
        ('rename => { "a]" => "b" }', {}, {"tags": ["_mutate_error"]}),
        ('rename => { "a]" => "b" } tag_on_failure => "oops"', {}, {"tags": ["oops"]}),
    ],
)
def test_operations(body: str, fields: dict[str, Any], result: dict[str, Any]) -> None:
    assert run_filter(f"mutate {{ {body} }}", **fields) == result


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('convert => { "a" => "int" }', "mutate: convert has no type 'int'"),
        ('convert => { "a" => ["float"] }', "mutate: convert has no type ['float']"),
        ('gsub => ["a", "b"]', "mutate: gsub takes three values"),
        ('rename => "a"', "mutate.rename must be a hash"),
    ],
)
def test_what_cannot_be_is_refused(body: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig) as caught:
        program(f"filter {{ mutate {{ {body} }} }}")
    assert sentence in str(caught.value)

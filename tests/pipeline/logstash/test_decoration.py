"""What filters do on success."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("body", "fields", "result"),
    [
        ('add_field => { "a" => "1" }', {}, {"a": "1"}),
        ('add_field => { "a" => "1" }', {"a": "0"}, {"a": ["0", "1"]}),
        ('add_field => { "a" => "1" }', {"a": None}, {"a": ["1"]}),
        ('add_field => { "a" => "1" }', {"a": {"k": 1}}, {"a": [["k", 1], "1"]}),
        ('add_field => { "a" => ["1", "2"] }', {}, {"a": ["1", "2"]}),
        ('add_field => { "a" => 5 }', {}, {"a": "5"}),
        (
            'add_field => { "%{k}" => "%{k}!" }',
            {"k": "[x][y]"},
            {"k": "[x][y]", "x": {"y": "[x][y]!"}},
        ),
        ('remove_field => ["a", "[b][c]"]', {"a": 1, "b": {"c": 1}}, {"b": {}}),
        ('add_tag => ["t1", "t1"]', {"tags": "t0"}, {"tags": ["t0", "t1", "t1"]}),
        ('remove_tag => ["t1"]', {"tags": ["t1", "x", "t1"]}, {"tags": ["x"]}),
        ('remove_tag => ["t1"]', {}, {}),
        # A tag cannot use a field that goes in the same filter.
        ('add_tag => "%{a}" remove_field => "a"', {"a": "1"}, {"tags": ["%{a}"]}),
        ('add_field => { "[a][b]" => "x" }', {"a": "s"}, {"a": "s", "tags": ["_mutate_error"]}),
    ],
)
def test_decorations(body: str, fields: dict[str, Any], result: dict[str, Any]) -> None:
    assert run_filter(f"mutate {{ {body} }}", **fields) == result

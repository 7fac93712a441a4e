"""The filter ``prune``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("options", "fields", "result"),
    [
        ("", {"a": 1, "%{b}": 2}, {"a": 1}),
        ('whitelist_names => ["^a"]', {"ab": 1, "ba": 2}, {"ab": 1}),
        ('blacklist_names => ["^a", "c"]', {"ab": 1, "ba": 2, "xc": 3}, {"ba": 2}),
        ('whitelist_names => ["[ab]"] blacklist_names => ["b"]', {"a": 1, "b": 2}, {"a": 1}),
        ('whitelist_values => { "a" => "^x" }', {"a": "xy", "b": "q"}, {"a": "xy", "b": "q"}),
        ('whitelist_values => { "a" => "^x" }', {"a": "yx", "b": "q"}, {"b": "q"}),
        ('blacklist_values => { "a" => "x" }', {"a": ["x", "y"]}, {"a": ["y"]}),
        ('blacklist_values => { "a" => "x" }', {"a": ["x", "xx"]}, {}),
        ('whitelist_values => { "a" => "x" }', {"a": None}, {"a": None}),
        ('interpolate => true blacklist_names => ["^%{p}$"]', {"p": "a", "a": 1}, {"p": "a"}),
        (
            'interpolate => true whitelist_values => { "%{p}" => "%{p}" }',
            {"p": "a", "a": "x"},
            {"p": "a"},
        ),
        (
            'whitelist_values => { "a" => "x" }',
            {"a": 5},
            {"a": 5, "tags": ["_filter_error"]},
        ),
        (
            'interpolate => true blacklist_names => ["%{p}"]',
            {"p": "("},
            {"p": "(", "tags": ["_filter_error"]},
        ),
    ],
)
def test_fields_go(options: str, fields: dict[str, Any], result: dict[str, Any]) -> None:
    assert run_filter(f"prune {{ {options} }}", **fields) == result


def test_a_wrong_expression_is_refused() -> None:
    with pytest.raises(RefusedConfig, match="prune: regular expression"):
        run_filter('prune { blacklist_names => ["("] }')

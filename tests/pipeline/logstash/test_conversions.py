"""Conversions of ``mutate``."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        ("integer", "42", 42),
        ("integer", " 1,234.5 ", 1234),
        ("integer", "1_000", 1000),
        ("integer", "12abc", 12),
        ("integer", "", 0),
        ("integer", -2.7, -2),
        ("integer", True, 1),
        ("integer", 1e20, 100_000_000_000_000_000_000),
        ("integer", {"k": 1}, {"k": 1}),
        ("integer", ["1", None, 2.7], [1, None, 2]),
        ("integer", Decimal("2.7E3"), 2700),
        ("integer", Decimal("0E+99999999"), 0),
        ("integer", Decimal("1E-99999999"), 0),
        ("integer_eu", "1.234,5", 1234),
        ("float", "1e3", 1000.0),
        ("float", "5.", 5.0),
        ("float", ".5", 0.5),
        ("float", "abc", 0.0),
        ("float", "1e400", "Infinity"),
        ("float", 1, 1.0),
        ("float_eu", "1.234,5", 1234.5),
        ("string", 1e16, "1.0e+16"),
        ("string", True, "true"),
        ("string", [None, {"a": 1}], [None, '{"a"=>1}']),
        ("boolean", "Yes", True),
        ("boolean", "", False),
        ("boolean", "0x0", False),
        ("boolean", 1.0, True),
        ("boolean", "2", "2"),
    ],
)
def test_conversions(kind: str, value: Any, result: Any) -> None:
    found = run_filter(f'mutate {{ convert => {{ "a" => "{kind}" }} }}', a=value)["a"]

    assert found == result
    assert type(found) is type(result)


# The decimal numbers are short texts that take minutes to write as integers.
@pytest.mark.parametrize("value", [math.inf, Decimal("1E+99999999"), Decimal("-1E+99999999")])
def test_what_is_too_large_is_no_integer(value: Any) -> None:
    found = run_filter('mutate { convert => { "a" => "integer" } }', a=value)
    assert found == {"a": value, "tags": ["_mutate_error"]}

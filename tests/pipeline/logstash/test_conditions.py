"""Conditions: truth, comparisons, membership, their texts."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.conditions import (
    ConditionError,
    compile_condition,
    condition_text,
    deciding_field,
)
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.tree import Branch, Condition


def condition(text: str) -> Condition:
    (branch,) = parse(f"filter {{ if {text} {{ }} }}", {}, file="a.conf").filters
    assert isinstance(branch, Branch)
    found = branch.arms[0][0]
    assert found is not None
    return found


def holds(text: str, **fields: Any) -> bool:
    return compile_condition(condition(text))(new_event(fields, now_ns=0))


@pytest.mark.parametrize("value", ["x", " ", "0", "false", 0, 0.0, True, [], {}])
def test_these_are_true(value: object) -> None:
    assert holds("[a]", a=value)
    assert not holds("![a]", a=value)


@pytest.mark.parametrize("fields", [{}, {"a": None}, {"a": False}, {"a": ""}])
def test_these_are_not_true(fields: dict[str, Any]) -> None:
    assert not holds("[a]", **fields)
    assert holds("!([a])", **fields)


@pytest.mark.parametrize(
    ("text", "fields", "truth"),
    [
        ("[a] == 5", {"a": 5}, True),
        ("[a] == 5", {"a": "5"}, False),
        ("[a] == 5", {"a": 5.0}, False),
        ("5 == [a]", {"a": 5}, True),
        ('[a] == "true"', {"a": True}, False),
        ("[a] == [b]", {}, True),
        ("[a] == [b]", {"a": None}, False),
        ("[a] == [b]", {"a": [1, {"k": 2}], "b": [1, {"k": 2}]}, True),
        ("[a] == [b]", {"a": [1], "b": [1.0]}, False),
        ("[a] == [b]", {"a": 1, "b": True}, False),
        ('[a] != "x"', {"a": "x"}, False),
        ('"x" == "x"', {}, True),
        ("1 < 2", {}, True),
        ("[a] > 4", {"a": 4.5}, True),
        ("4 < [a]", {"a": 5}, True),
        ("[a] > 4", {"a": None}, False),
        ("[a] >= 4", {"a": True}, True),
        ("[a] <= 4", {"a": False}, True),
        ('[a] > "b"', {"a": "c"}, True),
        ('[a] in ["5", "x"]', {"a": 5}, True),
        ('[a] in ["5", "x"]', {"a": 5.0}, False),
        ("[a] in [5, 10]", {"a": "5"}, True),
        ('[a] in ["x"]', {"a": "x"}, False),
        ('[a] not in ["x"]', {"a": "x"}, True),
        ('"x" in ["x", "y"]', {}, False),
        ('"b" in [a]', {"a": "abc"}, True),
        ('"b" in [a]', {"a": ["b"]}, True),
        ('"b" in [a]', {}, False),
        ("5 in [a]", {"a": ["5"]}, False),
        ("[a] in [b]", {"a": "x", "b": "x"}, True),
        ("[a] in [b]", {"a": [1], "b": [[1]]}, False),
        ("[a] =~ /^b/", {"a": "a\nb"}, True),
        ("[a] =~ /a.b/", {"a": "a\nb"}, False),
        ('[a] =~ "b"', {"a": ["b"]}, False),
        ("[a] !~ /b/", {}, True),
        ('[a] == "x" and [b] or [c]', {"c": 1}, True),
        ("[a] or [b] and [c]", {"a": 1}, True),
        ("([a] or [b]) and [c]", {"a": 1}, False),
        ("[a] and [b] and [c] or [d]", {"d": 1}, False),  # as Logstash groups it
        ("5 in [a]", {"a": 5}, False),
        ("[a] xor [b]", {"a": 1, "b": 1}, False),
        ("[a] nand [b]", {"a": 1, "b": 1}, False),
    ],
)
def test_comparisons(text: str, fields: dict[str, Any], truth: bool) -> None:
    assert holds(text, **fields) is truth


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("[a] > 4", {}),
        ("[a] > 4", {"a": "5"}),
        ("[a] > 4", {"a": [5]}),
        ("[a] >= [b]", {"a": "x", "b": None}),
    ],
)
def test_what_cannot_be_compared_is_an_error(text: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ConditionError, match="cannot be compared"):
        holds(text, **fields)


@pytest.mark.parametrize(
    "text",
    [
        "[a]",
        "![a]",
        '!([a] == "x")',
        '[a] == "x" and [b] or [c]',
        "([a] or [b]) and [c]",
        "[a] and [b] and [c]",
        "([a] and [b]) and [c]",
        "[a] or [b] and [c] or [d]",
        "([a] and [b] and [c]) or [d]",
        "[a] and ([b] and [c] or [d])",
        "([a] xor [b]) nand [c]",
        '[a] in ["x", \'say "y"\', 5, 1.5]',
        "[a] not in [b]",
        "[a][b] =~ /a\\/b/",
        '[a] !~ "x"',
        "-1 <= [a]",
    ],
)
def test_the_text_of_a_condition_is_the_condition(text: str) -> None:
    assert condition_text(condition(text)) == text


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[a] == "x"', "[a]"),
        ('"x" in [a] or ![a] or [a] =~ /x/', "[a]"),
        ('[a] in ["x", "y"]', "[a]"),
        ('[a] == "x" and [b] == "y"', None),
        ("[a] == [b]", None),
        ("[a] > 5", None),
        ('"a" == "b"', None),
    ],
)
def test_the_field_that_decides_a_condition_alone_is_known(text: str, field: str | None) -> None:
    assert deciding_field(condition(text)) == field

"""The filter ``split``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.logstash.running import run


@pytest.mark.parametrize(
    ("options", "value", "parts"),
    [
        ("", "a\nb\n\nc\n", ["a", "b", "c"]),
        ("", "", []),
        ("", "\n", []),
        ("", ["x", None, 5, {"k": 1}, ""], ["x", 5, {"k": 1}]),
        ("", ["only"], ["only"]),
        ("", [], []),
        ('terminator => ","', "a,b", ["a", "b"]),
        ('terminator => ""', "ab", ["a", "b"]),
        ('terminator => " "', " a  b ", ["a", "b"]),
    ],
)
def test_an_event_for_each_part(options: str, value: Any, parts: list[Any]) -> None:
    found = run(f"filter {{ split {{ {options} }} }}", message=value, other=1)

    assert found == [{"message": part, "other": 1} for part in parts]


def test_the_parts_go_where_the_target_says() -> None:
    found = run('filter { split { target => "part" add_tag => "s" } }', message="a\nb")

    assert found == [{"message": "a\nb", "part": part, "tags": ["s"]} for part in "ab"]


def test_a_text_of_one_part_passes_untouched() -> None:
    assert run('filter { split { target => "x" add_tag => "s" } }', message="a") == [
        {"message": "a"}
    ]


@pytest.mark.parametrize("value", [5, None, {"a": 1}, True])
def test_what_cannot_be_split_is_tagged(value: Any) -> None:
    assert run("filter { split { } }", message=value) == [
        {"message": value, "tags": ["_split_type_failure"]}
    ]


def test_the_parts_share_nothing() -> None:
    text = """filter {
      split { field => "l" }
      if [l] == "a" { mutate { add_field => { "[o][k]" => "1" } } }
    }"""

    assert run(text, l=["a", "b"], o={}) == [{"l": "a", "o": {"k": "1"}}, {"l": "b", "o": {}}]

"""The filter ``grok``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.compile import compile_config
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import parse
from tests.pipeline.logstash.running import run_filter

FAILURE = {"tags": ["_grokparsefailure"]}


def grok(options: str, message: Any, **fields: Any) -> dict[str, Any]:
    found = run_filter(f"grok {{ {options} }}", message=message, **fields)
    del found["message"]
    return found


@pytest.mark.parametrize(
    ("expression", "message", "fields"),
    [
        ("%{WORD:w} %{INT:n:int}", "abc 5", {"w": "abc", "n": 5}),
        ("%{NUMBER:n:float}", "5", {"n": 5.0}),
        ("^%{INT:n}$", "abc", FAILURE),
        ("%{INT:n}", 5, {"n": "5"}),
        ("%{WORD:w}", True, {"w": "true"}),
        ("%{WORD:w}(?: %{INT:w})?(?: %{WORD:w})?", "abc 5 d", {"w": ["abc", "d", "5"]}),
        ("%{WORD:w}", ["a", "b"], {"w": ["a", "b"]}),
        ("%{INT:n}", ["a", "5"], {"n": "5"}),
        ("%{GREEDYDATA:g}", None, {}),
        ("%{WORD:[a][b]} (?<[a][c]>.)", "x y", {"a": {"b": "x", "c": "y"}}),
        ("%{WORD:[@metadata][m]}", "x", {"@metadata": {"m": "x"}}),
        ("%{WORD:@timestamp}", "x", {}),
        ("%{WORD:tags}", "x", {"tags": "x"}),
        ("%{WORD:[a}", "x", FAILURE),
        ("%{DATA:e}x", "x", {}),
        ("%{DATA:e:int}x", "x", {"e": 0}),
    ],
)
def test_fields_of_a_message(expression: str, message: Any, fields: dict[str, Any]) -> None:
    assert grok(f'match => {{ "message" => "{expression}" }}', message) == fields


@pytest.mark.parametrize(
    ("options", "message", "fields"),
    [
        ('match => { "message" => ["^%{INT:i}$", "%{WORD:w}", "%{WORD:v}"] }', "ab", {"w": "ab"}),
        (
            'match => { "message" => ["%{WORD:w}", "%{INT:i}"] } break_on_match => false',
            "ab",
            {"w": "ab", **FAILURE},
        ),
        (
            'match => { "message" => ["%{INT:i}", "%{WORD:w}"] } break_on_match => false',
            "ab",
            {"w": "ab"},
        ),
        ('match => { "message" => "%{WORD:w}" } target => "t"', "ab", {"t": {"w": "ab"}}),
        ('match => { "message" => "%{WORD:[a][b]}" } target => "[t]"', "x",
         {"t": {"a": {"b": "x"}}}),
        ('match => { "message" => "%{WORD}" } named_captures_only => false', "x y", {"WORD": "x"}),
        (
            'match => { "message" => "%{DATA:e}(?<n>y)?x" } keep_empty_captures => true',
            "x",
            {"e": "", "n": None},
        ),
        ('match => { "message" => "z" } tag_on_failure => ["a", "b"]', "x", {"tags": ["a", "b"]}),
        ('match => { "message" => "z" } tag_on_failure => []', "x", {}),
        (
            'match => ["message", "%{TWO}"] pattern_definitions => { "TWO" => "%{INT:a}-%{INT:b}"}',
            "1-2",
            {"a": "1", "b": "2"},
        ),
        ('match => { "message" => "%{WORD:w}" } add_tag => "%{w}"', "x", {"w": "x", "tags": ["x"]}),
    ],
)  # fmt: skip
def test_options(options: str, message: str, fields: dict[str, Any]) -> None:
    assert grok(options, message) == fields


@pytest.mark.parametrize(
    ("options", "field", "kept"),
    [
        ("", "old", ["old", "new"]),
        ("", ["a"], ["a", "new"]),
        ("", 5, 5),
        ("", {"a": 1}, {"a": 1}),
        ("", None, "new"),
        ('overwrite => ["w"]', 5, "new"),
        ('overwrite => "w"', ["a"], "new"),
    ],
)
def test_a_field_that_is_there(options: str, field: Any, kept: Any) -> None:
    text = f'match => {{ "message" => "%{{WORD:w}}" }} {options}'

    assert run_filter(f"grok {{ {text} }}", message="new", w=field)["w"] == kept


@pytest.mark.parametrize(
    ("parent", "kept"),
    [
        ({"x": 1}, {"x": 1, "b": "new"}),
        ({"b": "old"}, {"b": ["old", "new"]}),
        (["y"], ["y"]),
        ("text", "text"),
        (None, None),
    ],
)
def test_a_field_below_what_is_there(parent: Any, kept: Any) -> None:
    found = run_filter(
        'grok { match => { "message" => "%{WORD:[a][b]}" } }', message="new", a=parent
    )

    assert found["a"] == kept
    assert ("tags" in found) is (not isinstance(kept, (dict, list)))


def test_several_fields_are_tried_in_logstashs_order() -> None:
    options = 'match => { "zz" => "%{WORD:z}" "aa" => "%{WORD:a}" }'

    assert run_filter(f"grok {{ {options} }}", aa="x", zz="y") == {"aa": "x", "zz": "y", "z": "y"}


def test_patterns_are_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "patterns").mkdir()
    (tmp_path / "patterns" / "own").write_text("OWN [a-c]+\n")
    (tmp_path / "patterns" / "other.txt").write_text("OWN x\n")
    text = """filter { grok { patterns_dir => "patterns" patterns_files_glob => "own"
        match => { "message" => "%{OWN:o}" } } }"""
    config = compile_config(parse(text, {}, file="a.conf"), folder=tmp_path)

    (result,) = config.run(new_event({"message": "xbc"}, now_ns=0))

    assert result.event.fields["o"] == "bc"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('match => { "message" => "%{NOTHING:x}" }', "not defined"),
        ('match => { "message" => "(a" }', "unmatched parenthesis"),
        ('patterns_dir => "/nowhere" match => { "message" => "a" }', "cannot read the patterns"),
    ],
)
def test_what_is_refused(options: str, words: str) -> None:
    with pytest.raises(RefusedConfig) as refused:
        run_filter(f"grok {{ {options} }}", message="x")

    assert words in str(refused.value)
    assert "a.conf:1:" in str(refused.value)


def test_a_message_that_cannot_be_decided_is_tagged() -> None:
    options = 'match => { "message" => "(?:(?=a)(?:a|a))*b(?<!b)" }'

    found = run_filter(f"grok {{ {options} }}", message="a" * 200 + "b")

    assert found["tags"] == ["_groktimeout"]

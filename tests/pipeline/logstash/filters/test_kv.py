"""The filter ``kv``."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ("a = 1 b= 2", {"a": "1", "b": "2"}),
        ("a=1 a=2 a=2", {"a": ["1", "2", "2"]}),
        ("k=\"q v\" j='s q' l=(p v) m=[b v] n=<a v>",
         {"k": "q v", "j": "s q", "l": "p v", "m": "b v", "n": "a v"}),
        ('a="esc \\" q" b=2', {"a": 'esc \\" q', "b": "2"}),
        ('a="open b=2', {"a": '"open', "b": "2"}),
        ("a=  b=2", {"a": "b=2"}),
        ("k=a=b", {"k": "a=b"}),
        ("a=() b=''", {}),
        ("[k]=v (k2)=v2", {"k": "v", "(k2)": "v2"}),
        ("[k]x=v b=2", {"tags": ["_kv_filter_error"]}),
        ("tags=x @timestamp=z", {"tags": ["x", "_kv_filter_error"]}),
        (["a=1", 5, "b=2"], {"a": "1", "b": "2"}),
        ({"a": "b=1"}, {}),
        (None, {}),
        ("", {}),
    ],
)  # fmt: skip
def test_pairs_of_a_text(text: Any, pairs: dict[str, Any]) -> None:
    assert run_filter("kv { }", message=text) == {"message": text, **pairs}


@pytest.mark.parametrize(
    ("options", "text", "pairs"),
    [
        ('field_split => "&?"', "?a=1&b=2 3", {"a": "1", "b": "2 3"}),
        ('value_split => ":"', "a:1 b=2", {"a": "1"}),
        (
            'field_split_pattern => ", " value_split_pattern => "->"',
            "a->1, b->2",
            {"a": "1", "b": "2"},
        ),
        ('field_split_pattern => "::"', "a=1::b=2:3", {"a": "1", "b": "2:3"}),
        ('prefix => "p_"', "a=1", {"p_a": "1"}),
        ('prefix => "%{message}_"', "a=1", {"a=1_a": "1"}),
        ('target => "[k][v]"', "a=1", {"k": {"v": {"a": "1"}}}),
        ('include_keys => ["a", "%{message}"]', "a=1 b=2", {"a": "1"}),
        ('exclude_keys => ["a"]', "a=1 b=2", {"b": "2"}),
        ('default_keys => { "a" => "x" "z" => "%{a}" }', "a=1", {"a": "1", "z": "%{a}"}),
        ('default_keys => { "a" => "x" }', "nothing", {"a": "x"}),
        ("allow_duplicate_values => false", "a=1 a=2 a=1 a=2", {"a": ["1", "2"]}),
        ("allow_duplicate_values => false", "a=12 a=1", {"a": "12"}),
        ("allow_empty_values => true", "a= b=()", {"a": "b=()"}),
        ('allow_empty_values => true field_split => "&"', "a=&b=", {"a": "", "b": ""}),
        ("include_brackets => false", "a=(x) b=[y]", {"a": "(x)", "b": "[y]"}),
        ("recursive => true", 'a="b=1 c=2" d=e', {"a": {"b": "1", "c": "2"}, "d": "e"}),
        ('trim_key => "_" trim_value => "<>"', "_a_=<<1> _b=2", {"a": "1", "b": "2"}),
        ('remove_char_key => "_" remove_char_value => "x"', "a_b=1x2", {"ab": "12"}),
        ('transform_key => "uppercase" transform_value => "capitalize"', "a=xY", {"A": "Xy"}),
        ('transform_value => "lowercase"', "a=ΟΔΟΣ", {"a": "οδοσ"}),
        ('whitespace => "strict"', "a=  b=2", {"b": "2"}),
        ('tag_on_failure => ["bad"]', "[a]b=1", {"tags": ["bad"]}),
        ('add_tag => "ok"', "a=1", {"a": "1", "tags": ["ok"]}),
        ('add_tag => "ok"', "nothing", {}),
    ],
)
def test_options(options: str, text: str, pairs: dict[str, Any]) -> None:
    assert run_filter(f"kv {{ {options} }}", message=text) == {"message": text, **pairs}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('value_split => ""', "value_split must not be empty"),
        ('field_split_pattern => ""', "field_split_pattern must not be empty"),
        ('field_split_pattern => "("', "regular expression"),
        ('transform_key => "title"', "must be one of"),
    ],
)
def test_what_cannot_be_is_refused(options: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig, match=sentence):
        run_filter(f"kv {{ {options} }}")


def test_a_long_hostile_text_ends() -> None:
    text = "a=" + '\\"' * 50_000 + '"' * 5

    assert "a" in run_filter("kv { }", message=text)

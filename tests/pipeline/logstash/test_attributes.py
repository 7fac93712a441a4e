"""Attributes of a plugin against its options."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.options import Option, Options, RefusedConfig
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.tree import Plugin

DECLARED = (
    Option("text"),
    Option("count", "number"),
    Option("flag", "boolean", False),
    Option("names", "array", []),
    Option("map", "hash", []),
    Option("size", "bytes"),
    Option("mode", choices=("a1", "b1")),
    Option("gone", refused="it would end the world; leave it out"),
)


def check(body: str, declared: tuple[Option, ...] = DECLARED) -> Options:
    (plugin,) = parse(f"filter {{ thing {{ {body} }} }}", {}, file="a.conf").filters
    assert isinstance(plugin, Plugin)
    return check_attributes(plugin, declared)


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ('text => "x"', "text", "x"),
        ("text => xy", "text", "xy"),
        ("text => 5", "text", "5"),
        ('text => ["x"]', "text", "x"),
        ("count => 5", "count", 5),
        ('count => "5"', "count", 5),
        ("count => 1.5", "count", 1.5),
        ("flag => true", "flag", True),
        ('flag => "false"', "flag", False),
        ('names => "x"', "names", ["x"]),
        ('names => ["x", 5, 1.5]', "names", ["x", 5, 1.5]),
        ('names => ["x"] names => ["y"]', "names", ["x", "y"]),
        ('names => ["x"] names => "y"', "names", ["x", "y"]),
        ('map => { "b" => 1 "a" => [2, "x"] }', "map", [("a", [2, "x"]), ("b", 1)]),
        ('map => ["b", 1, "a", 2]', "map", [("b", 1), ("a", 2)]),
        ('map => { "b" => "1" } map => { "a" => "2" }', "map", [("b", "1"), ("a", "2")]),
        ('map => { "b" => "1" } map => { "b" => "2" }', "map", [("b", ["1", "2"])]),
        ('map => { "a" => { "k" => "v" } }', "map", [("a", {"k": "v"})]),
        ('map => ["b", 1, "b", 2]', "map", [("b", [1, 2])]),
        ("map => []", "map", []),
        ("size => 512", "size", 512),
        ('size => "10 MiB"', "size", 10 << 20),
        ('size => "5k"', "size", 5000),
        ('size => "5 KiB"', "size", 5120),
        ("mode => a1", "mode", "a1"),
        ("", "flag", False),
        ("", "text", None),
    ],
)
def test_a_value_is_taken_as_logstash_takes_it(body: str, name: str, value: Any) -> None:
    found = check(body)[name]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('txt => "x"', "1:18: thing has no option 'txt'; its options are count, flag"),
        ('text => ["x", "y"]', "thing.text must be a string, is ['x', 'y']"),
        ('text => "x" text => "y"', "thing.text must be a string, is ['x', 'y']"),
        ("text => { }", "thing.text must be a string, is a hash of nothing"),
        ('count => "x"', "thing.count must be a number, is 'x'"),
        ('flag => "yes"', "thing.flag must be true or false, is 'yes'"),
        ('map => "x"', "thing.map must be a hash"),
        ('map => ["x", "y", "z"]', "thing.map must be a hash"),
        ("mode => cc", "thing.mode must be one of a1, b1, is 'cc'"),
        ('size => "big"', "thing.size must be a number of bytes"),
        ("gone => 5", "thing.gone: it would end the world; leave it out"),
    ],
)
def test_another_value_is_refused_with_its_place(body: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig) as caught:
        check(body)

    assert sentence in str(caught.value)
    assert caught.value.is_unsupported == ("gone" in body)


def test_a_required_option_must_stand() -> None:
    with pytest.raises(RefusedConfig, match=r"a\.conf:1:10: thing needs the option 'field'"):
        check("", (Option("field", is_required=True),))


def test_options_know_which_of_them_are_set() -> None:
    options = check("text => xy")

    assert options.is_set("text")
    assert not options.is_set("flag")

"""Text to tree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import join_configs, parse
from ptingest.pipeline.logstash.tree import (
    Array,
    Branch,
    Config,
    Hash,
    Number,
    Place,
    Plugin,
    Text,
    Value,
)
from tests.pipeline.logstash.configs import config_text, configs


def read(text: str, **environment: str) -> Config:
    return parse(text, environment, file="a.conf")


def value(text: str, **environment: str) -> Value:
    (plugin,) = read(f"filter {{ x1 {{ a => {text} }} }}", **environment).filters
    assert isinstance(plugin, Plugin)
    return plugin.attributes[0].value


HERE = Place("", 1, 1)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ('"x"', Text("x", HERE)),
        ("'x'", Text("x", HERE)),
        (r'"a\tb"', Text(r"a\tb", HERE)),
        (r'"q\"q"', Text(r"q\"q", HERE)),
        (r"'q\'q'", Text(r"q\'q", HERE)),
        ('"a\n# b"', Text("a\n# b", HERE)),
        ("b1", Text("b1", HERE)),
        ("-5", Number(-5, HERE)),
        ("1.50", Number(Decimal("1.50"), HERE)),
        ("[]", Array((), HERE)),
        ('[ "x", 1, [b1] ]', Array((
            Text("x", HERE), Number(1, HERE), Array((Text("b1", HERE),), HERE),
        ), HERE)),
        ('{ "x" => 1 y1 => [] 5 => z1 }', Hash((
            (Text("x", HERE), Number(1, HERE)),
            (Text("y1", HERE), Array((), HERE)),
            (Number(5, HERE), Text("z1", HERE)),
        ), HERE)),
        ("json { }", Plugin("json", (), HERE)),
    ],
)  # fmt: skip
def test_values(text: str, node: Value) -> None:
    assert value(text) == node


def test_the_whole_shape() -> None:
    config = read("""
# input
input { beats { port => 5044 } } # x
filter{if[a]{drop{}}else if [b] == "}" { } else { if [c] { } }
}
output { stdout { codec => json } }""")

    assert [one.name for one in config.inputs if isinstance(one, Plugin)] == ["beats"]
    (branch,) = config.filters
    assert isinstance(branch, Branch)
    assert [condition is None for condition, _ in branch.arms] == [False, False, True]
    assert branch.place == Place("a.conf", 4, 8)


@pytest.mark.parametrize("text", ["", "  # nothing", "filter { }", "filter {\r\n\t}\r\n"])
def test_nothing_is_a_config(text: str) -> None:
    assert read(text) == Config((), (), ())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("filtr { }", "a.conf:1:1: 'filtr' stands where 'input', 'filter' or 'output'"),
        ("filter { mutate { a => } }", "a.conf:1:24: '}' stands where "),
        ("filter {\n  mutate { a => 5\n", "a.conf:2:18: the file ends where "),
        ('filter { mutate { a => "x } }', "a.conf:1:24: the string that begins here has no end"),
        ("filter { if [a] == true { } }", "a.conf:1:20: 'true' stands where "),
        ("filter { mutate { a => { b1 => 1, c1 => 2 } } }", "a.conf:1:33: ',' stands where "),
        ("filter { mutate { a => [b1,] } }", "a.conf:1:28: ']' stands where "),
        ("filter { mutate { a => b } }", "a.conf:1:24: 'b' stands where "),
        ('filter { m1 { a => "x"b => "y" } }', "1:23: options must be separated by white space"),
        ('filter { m1 { a => { b1 => "x"c1 => "y" } } }', "1:31: entries must be separated by"),
        ('filter { m1 { a => { "k" => 1 "k" => 2 } } }', "1:31: the key 'k' stands twice"),
        ("filter { if [a] xor [b] and [c] { } }", "1:17: 'xor' cannot stand beside another"),
        ("\ufefffilter { }", "1:1: '\\ufeff' stands where"),
        ('filter { m1 { a => "${NOPE}" } }', "1:20: the environment has no NOPE"),
    ],
)
def test_errors_have_a_place_and_say_what_was_expected(text: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig) as caught:
        read(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"),
        ("<${A}${B:2}>", "<12>"),
        ("${A:3}", "1"),
        ("${B:}", ""),
        ("$A ${", "$A ${"),
    ],
)
def test_variables_of_the_environment(text: str, result: str) -> None:
    assert value(f'"{text}"', A="1") == Text(result, HERE)


def test_escapes_on_demand() -> None:
    text = r'filter { m1 { a => "\n\t\\\"\x\'" } }'
    (plugin,) = parse(text, {}, file="a.conf", has_escapes=True).filters
    assert isinstance(plugin, Plugin)
    assert plugin.attributes[0].value == Text("\n\t\\\"\\x'", HERE)


def test_configs_are_joined_by_section_in_order() -> None:
    config = join_configs([
        parse("filter { a1 { } } output { c1 { } }", {}, file="10.conf"),
        parse("filter { b1 { } }", {}, file="20.conf"),
    ])  # fmt: skip

    assert [one.name for one in config.filters if isinstance(one, Plugin)] == ["a1", "b1"]
    assert str(config.filters[1].place) == "20.conf:1:10"
    assert len(config.outputs) == 1


@given(configs)
def test_a_config_that_is_written_and_parsed_again_is_the_same(config: Config) -> None:
    assert read(config_text(config)) == config


@given(st.text(st.sampled_from("filterif{}[]()\"'=>~/ab1,# \n\\!andinot")))
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    place = refusal(text)

    assert place is None or 1 <= place.line <= text.count("\n") + 1
    assert place is None or place.column >= 1


def refusal(text: str) -> Place | None:
    try:
        read(text)
    except RefusedConfig as error:
        return error.place
    return None


def test_nesting_has_an_end() -> None:
    with pytest.raises(RefusedConfig, match="nested too deeply"):
        read(f"filter {{ {'if [a] { ' * 5000}{'}' * 5000} }}")

"""The filter ``dissect``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter

FAILED = {"tags": ["_dissectfailure"]}


@pytest.mark.parametrize(
    ("mapping", "text", "fields"),
    [
        ("%{a} %{b}", "x y z", {"a": "x", "b": "y z"}),
        ("%{a} %{b} %{c}", "x  y  z", {"a": "x", "b": "", "c": "y  z"}),
        ("%{a->} %{b->} %{c}", "x  y  z", {"a": "x", "b": "y", "c": "z"}),
        ("%{a} %{b}", " x y", {"a": "", "b": " x y"}),
        ("%{a} %{b}", "x", FAILED),
        ("%{a} %{b}", "", FAILED),
        ("%{a} %{b}", None, FAILED),
        ("%{a} %{b}", 5, FAILED),
        ("%{a} %{b}", ["x y"], {"a": '["x', "b": 'y"]'}),
        ("<%{a}>%{b}", "<<x>y", {"a": "x", "b": "y"}),
        ("<%{a}>%{b}", "x>y", FAILED),
        ("%{a};", "x;y", {"a": "x"}),
        ("%{a}%{b}", "xy", FAILED),
        ("%{a} %{+a} %{b}", "x y z", {"a": "x y", "b": "z"}),
        ("%{+a/2} %{+a/1}", "x y", {"a": "y x"}),
        ("%{a} %{a}", "x y", {"a": "y"}),
        ("%{?k}=%{&k}", "x=y", {"x": "y"}),
        ("%{?k}=%{&k}", "[x]=y", {"x": "y"}),
        ("%{?k}=%{&k}", "[x=y", FAILED),
        ("%{&nothing} %{b}", "x y", {"b": "y"}),
        ("%{&m} %{b}", "x y", {"b": "y", "x y": "x"}),
        ("%{[a][b]} %{c.d}", "x y", {"a": {"b": "x"}, "c.d": "y"}),
        ("%{} %{b->}", "x y", {"b": "y"}),
        ("%{+m}, %{}", "x, y", {"m": "x, y x"}),
    ],
)
def test_a_text_is_cut(mapping: str, text: Any, fields: dict[str, Any]) -> None:
    found = run_filter(f'dissect {{ mapping => {{ "m" => "{mapping}" }} }}', m=text)

    assert found == {"m": text, **fields}


@pytest.mark.parametrize(
    ("options", "fields", "result"),
    [
        ('mapping => { "m" => "%{a} %{b}" } add_tag => "ok"', {}, {}),
        ('mapping => { "m" => "%{a} %{b}" } add_tag => "ok"', {"m": "x y"},
         {"m": "x y", "a": "x", "b": "y", "tags": ["ok"]}),
        ('mapping => { "m" => "%{a} %{b}" } tag_on_failure => ["bad"]', {"m": "x"},
         {"m": "x", "tags": ["bad"]}),
        ('mapping => { "m" => "%{n} %{b}" "n" => "%{c}-%{d}" }', {"m": "x-y z"},
         {"m": "x-y z", "n": "x-y", "b": "z", "c": "x", "d": "y"}),
        ('convert_datatype => { "n" => "int" }', {"n": "5.7"}, {"n": 5}),
        ('convert_datatype => { "n" => "float" }', {"n": "5.70"}, {"n": Decimal("5.70")}),
        ('convert_datatype => { "n" => "int" }', {"n": "x"},
         {"n": "x", "tags": ["_dataconversionuncoercible_n_int"]}),
        ('convert_datatype => { "n" => "int" }', {"n": "1e1000"},
         {"n": "1e1000", "tags": ["_dataconversionuncoercible_n_int"]}),
        ('convert_datatype => { "n" => "float" }', {},
         {"tags": ["_dataconversionnullvalue_n_float"]}),
    ],
)  # fmt: skip
def test_options(options: str, fields: dict[str, Any], result: dict[str, Any]) -> None:
    assert run_filter(f"dissect {{ {options} }}", **fields) == result


@pytest.mark.parametrize(
    "mapping", ["", "no field", "%{a} %{b", "%{+/1} %{b}", "%{+} %{b}", "%{+&a} %{b}", "%{&+a}"]
)
def test_a_mapping_without_sense_is_refused(mapping: str) -> None:
    with pytest.raises(RefusedConfig, match=r"dissect: the (mapping|field)"):
        run_filter(f'dissect {{ mapping => {{ "m" => "{mapping}" }} }}')


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(RefusedConfig, match="int and float"):
        run_filter('dissect { convert_datatype => { "a" => "double" } }')

"""Texts with %{...}."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.sprintf import (
    compile_reference,
    compile_template,
    known_reference,
)
from ptingest.pipeline.logstash.values import FieldError, Timestamp

NOW = 1_767_323_045_123_000_000


def text(template: str, **fields: Any) -> str:
    event = new_event({"@timestamp": Timestamp(NOW), **fields}, now_ns=NOW)
    return compile_template(template)(event)


@pytest.mark.parametrize(
    ("template", "fields", "result"),
    [
        ("plain", {}, "plain"),
        ("%{a}", {"a": "x"}, "x"),
        ("<%{a}|%{[o][k]}>", {"a": 1, "o": {"k": True}}, "<1|true>"),
        ("%{a}", {}, "%{a}"),
        ("%{a}", {"a": None}, "%{a}"),
        ("%{a}", {"a": ["x", 1, None, [2, 3], {"k": "v"}]}, "x,1,,2,3,{k=v}"),
        ("%{a}", {"a": {"k": ["x", None, 1.0]}}, '{"k":["x",null,1.0]}'),
        ("%{a}", {"a": 1e15}, "1.0E15"),
        ("%{a}", {"a": Decimal("1E+21")}, "1E+21"),
        ("%{ a }", {"a": "x"}, "%{ a }"),
        ("%{a", {"a": "x"}, "%{a"),
        ("%{a}}", {"a": "x"}, "x}"),
        ("%{{x", {}, "%{{x"),
        ("%{@timestamp}", {}, "2026-01-02T03:04:05.123Z"),
        ("%{+YYYY.MM.dd}", {}, "2026.01.02"),
        ("%{+xxxx.ww}", {}, "2026.01"),
        ("%{}", {}, "1767323045"),
        ("%{+}", {}, "1767323045"),
        ("%{+%s}", {}, "1767323045"),
        ("%{{TIME_NOW}}", {}, "2026-01-02T03:04:05.123Z"),
    ],
)
def test_templates(template: str, fields: dict[str, Any], result: str) -> None:
    assert text(template, **fields) == result


@pytest.mark.parametrize("template", ["%{[o]k}", "x %{o[k]}"])
def test_a_bad_reference_fails_when_it_is_used(template: str) -> None:
    compiled = compile_template(template)
    with pytest.raises(FieldError):
        compiled(new_event({}, now_ns=NOW))


def test_a_dated_name_follows_the_day() -> None:
    template = compile_template("%{+yyyy.MM.dd}")
    day = 86_400 * 10**9
    moments = [0, day - 1, day, 2 * day, -1]

    texts = [template(new_event({"@timestamp": Timestamp(ns)}, now_ns=NOW)) for ns in moments]

    assert texts == ["1970.01.01", "1970.01.01", "1970.01.02", "1970.01.03", "1969.12.31"]


def test_without_a_time_its_formats_are_empty() -> None:
    event = new_event({}, now_ns=NOW)
    del event.fields["@timestamp"]
    assert compile_template("<%{+YYYY}|%{@timestamp}>")(event) == "<|%{@timestamp}>"


def test_the_name_of_a_field_may_hold_another() -> None:
    event = new_event({"k": "[a][b]"}, now_ns=NOW)
    assert compile_reference("%{k}")(event).path == ("a", "b")
    assert compile_reference("k")(event).path == ("k",)
    assert known_reference("%{k}")(event).path == ("%{k}",)
    with pytest.raises(FieldError):
        known_reference("[a")(event)

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from ptingest.pipeline.interpolate import (
    LONGEST_TEXT,
    MISSING,
    interpolated,
    is_truthy,
    message_text,
)

TEXTS = {
    b"null": "%{x}", b'"a"': "a", b'""': "", b"7": "7", b"1.0": "1.0", b"true": "true",
    b"false": "false", b"[]": "", b"{}": "{}", b'["a","b"]': "a,b",
    b'["a",1,null,true,["b","c"]]': "a,1,,true,b,c", b'[{"name":"a"}]': "{name=a}",
    b'[{"a":{"b":[1,null,"x"]},"c":null}]': "{a={b=[1, null, x]}, c=null}",
    b'{"type":"nginx"}': '{"type":"nginx"}',
    b'{"a":[1.0,{"b":"\\u00e9"}]}': '{"a":[1.0,{"b":"é"}]}',
    b'"%{[group]}"': "%{[group]}", b"12345678901234567890123": "12345678901234567890123",
    b"1e20": "1.0E20", b"1234567.5": "1234567.5", b"12345678.5": "1.23456785E7",
    b"1e-3": "0.001", b"9.99e-4": "9.99E-4", b"1e7": "1.0E7", b"9999999.0": "9999999.0",
    b"0.001": "0.001", b"0.00012": "1.2E-4", b"-2.5e-7": "-2.5E-7", b"1e400": "Infinity",
    b'{"a":1e400}': '{"a":"Infinity"}',
}  # fmt: skip


@pytest.mark.parametrize(("raw", "text"), TEXTS.items(), ids=lambda value: str(value))
def test_placeholders_are_filled_as_java_prints(raw: bytes, text: str) -> None:
    assert interpolated(Raw(raw), placeholder="%{x}") == text


def test_a_missing_field_leaves_the_placeholder() -> None:
    assert interpolated(MISSING, placeholder="%{x}") == "%{x}"


MESSAGES = {
    b'"a\\nb"': "a\nb", b"42": "42", b"false": "false", b"1.50": "1.5", b"1e16": "1.0e+16",
    b"0.00001": "1.0e-05", b"123456789012.5": "123456789012.5", b"-1e-400": "-0.0",
    b"-1e999": "-Infinity", b'{"a" : [1, 2.50]}': '{"a":[1,2.5]}', b"[ null ]": "[null]",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "text"), MESSAGES.items(), ids=lambda value: str(value))
def test_messages_of_other_kinds_become_text(raw: bytes, text: str) -> None:
    assert message_text(Raw(raw)) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [*((raw, False) for raw in (None, b"null", b"false", b'""', b'"false"', b'"f\\u0061lse"')),
     *((raw, True) for raw in (b"0", b"[]", b"{}", b"true", b'"x"', b'"0"', b'" "'))],
)  # fmt: skip
def test_truth_is_logstashs(raw: bytes | None, expected: bool) -> None:
    assert is_truthy(None if raw is None else Raw(raw)) is expected


def test_text_of_an_object_is_json_again() -> None:
    text = interpolated(Raw(b'{"a\\"":"\\u0001\\n"}'), placeholder="")

    assert msgspec.json.decode(text) == {'a"': "\x01\n"}


def test_the_text_of_a_list_ends_where_it_is_longer_than_any_name() -> None:
    long = Raw(b"[" + b"1.5," * 100_000 + b'{"a":1}]')

    assert len(interpolated(long, placeholder="")) < LONGEST_TEXT + 100
    assert len(message_text(long)) == len(long)


def test_what_is_nested_deeply_becomes_text_once() -> None:
    nested = Raw(b"[[" * 150 + b"1,2" + b"],3]" * 150)

    assert interpolated(nested, placeholder="") == "1,2" + ",3" * 150

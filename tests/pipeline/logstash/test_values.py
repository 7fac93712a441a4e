"""Values of events."""

from decimal import Decimal

import pytest

from ptingest.pipeline.logstash.values import (
    Timestamp,
    Value,
    is_number,
    java_text,
    json_text,
    parse_timestamp,
    ruby_text,
)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045_123_000_000, "2026-01-02T03:04:05.123Z"),
        (1_767_323_045_123_400_000, "2026-01-02T03:04:05.123400Z"),
        (1_767_323_045_123_456_789, "2026-01-02T03:04:05.123456789Z"),
        (-1_000_000, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_has_milliseconds_or_as_many_digits_as_it_needs(ns: int, text: str) -> None:
    assert str(Timestamp(ns)) == text


@pytest.mark.parametrize(
    ("value", "truth"), [(1, True), (1.5, True), (Decimal("1"), True), (True, False), ("1", False)]
)
def test_a_bool_is_no_number(value: object, truth: bool) -> None:
    assert is_number(value) is truth


@pytest.mark.parametrize(
    ("value", "java", "ruby", "json"),
    [
        ("x", "x", "x", '"x"'),
        (None, "null", "", "null"),
        (True, "true", "true", "true"),
        (5, "5", "5", "5"),
        (1.0, "1.0", "1.0", "1.0"),
        (0.0001, "1.0E-4", "0.0001", "1.0E-4"),
        (1e7, "1.0E7", "10000000.0", "1.0E7"),
        (1.25e16, "1.25E16", "1.25e+16", "1.25E16"),
        (-1e-07, "-1.0E-7", "-1.0e-07", "-1.0E-7"),
        (Decimal("0.1"), "0.1", "0.1e0", "0.1"),
        (Decimal("-100.0"), "-100.0", "-0.1e3", "-100.0"),
        (Decimal("1E+21"), "1E+21", "0.1e22", "1E+21"),
        (["x", None], "[x, null]", '["x", nil]', '["x",null]'),
        ({"k": [1]}, "{k=[1]}", '{"k"=>[1]}', '{"k":[1]}'),
        (['"\n#{a}\x01é'], '["\n#{a}\x01é]', '["\\"\\n\\#{a}\\x01é"]', None),
        (Timestamp(0), *["1970-01-01T00:00:00.000Z"] * 2, '"1970-01-01T00:00:00.000Z"'),
    ],
)
def test_texts_of_values(value: Value, java: str, ruby: str, json: str | None) -> None:
    assert java_text(value) == java
    assert ruby_text(value) == ruby
    assert json is None or json_text(value) == json


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05.123Z"),
        ("2026-01-02T03:04:05.123456789+01:00", "2026-01-02T02:04:05.123456789Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("2026-02-30T23:59:59.999Z", "None"),
        ("2026-02-10T23-59-59.999Z", "None"),
        ("2026-13-02T03:04:05Z", "None"),
        ("yesterday", "None"),
    ],
)
def test_a_time_is_read_as_logstash_reads_it(text: str, result: str) -> None:
    assert str(parse_timestamp(text)) == result

"""The filter ``bytes``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.logstash.running import run_filter


@pytest.mark.parametrize(
    ("options", "text", "number"),
    [
        ("", "100", 100),
        ("", "1 KB", 1024),
        ("", "2gb", 2 << 30),
        ("", "3PB", 3 << 50),
        ("", "1Eb", 1 << 60),
        ("", "12B", 12),
        ("", "1.5", 2),
        ("", "1,500.5k", 1_536_512),
        ("", "1_500 k", 1_536_000),
        ("", "free:\n1 kb\nused", 1024),
        ('conversion_method => "metric"', "1.5 kb", 1500),
        ('decimal_separator => ","', "1.000,5 k", 1_024_512),
    ],
)
def test_a_size_becomes_a_number(options: str, text: str, number: int) -> None:
    found = run_filter(f'bytes {{ target => "b" {options} }}', message=text)

    assert found == {"message": text, "b": number}


@pytest.mark.parametrize(
    "value", ["", "x", "1kib", "1e3 kb", "5 x", "-5", "1.5.5", 5, True, None, ["1kb"], "."]
)
def test_what_is_no_size_is_tagged(value: Any) -> None:
    found = run_filter('bytes { target => "b" add_tag => "ok" }', message=value)

    if value == ".":
        assert found == {"message": ".", "b": 0, "tags": ["ok"]}
    else:
        assert found == {"message": value, "tags": ["_bytesparsefailure"]}


def test_the_text_is_stripped_where_it_stands() -> None:
    assert run_filter('bytes { target => "b" }', message=" 1 kb ") == {"message": "1 kb", "b": 1024}


def test_without_a_target_there_is_no_place_for_the_number() -> None:
    assert run_filter("bytes { }", message="1kb") == {"message": "1kb", "tags": ["_filter_error"]}


def test_a_number_that_no_float_holds_is_an_error() -> None:
    found = run_filter('bytes { target => "b" }', message="9" * 400)

    assert found["tags"] == ["_filter_error"]

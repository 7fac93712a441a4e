"""One line of CSV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.logstash.csv_lines import BadCsv, Cells, compile_csv


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("a,b", ["a", "b"]),
        ("a,,", ["a", None, None]),
        ('"",b', ["", "b"]),
        (" a , b ", [" a ", " b "]),
        ('"q,1","x ""y""",3', ["q,1", 'x "y"', "3"]),
        ('"two\nlines",b\nnext', ["two\nlines", "b"]),
        ("a,b\nc,d", ["a", "b"]),
        ("a,b\r\nc,d", ["a", "b"]),
        ("a,b\rc,d", ["a", "b"]),
        ("a\rb\r\nc", ["a"]),
        ('"a",b\r\n"', ["a", "b"]),
        ("\na", []),
        ("", None),
    ],
)
def test_the_first_line_is_read(text: str, cells: list[str | None] | None) -> None:
    assert compile_csv(",", '"')(text) == cells


@pytest.mark.parametrize("text", ['a"b,c', '"a"b,c', '"open,b', 'a,"', '"a" ,b', '"x\ny",b\rc\n'])
def test_what_ruby_refuses_is_refused(text: str) -> None:
    with pytest.raises(BadCsv):
        compile_csv(",", '"')(text)


def test_separators_and_quotes_may_be_others() -> None:
    assert compile_csv(", ", "'")("a,b, 'c, d', \"e\"") == ["a,b", "c, d", '"e"']


@pytest.mark.parametrize(("separator", "quote"), [("", '"'), (",", ""), (",", "ab")])
def test_every_text_is_refused_with_impossible_ones(separator: str, quote: str) -> None:
    with pytest.raises(BadCsv, match="separator must not be empty"):
        compile_csv(separator, quote)("a")


def test_a_long_hostile_line_ends() -> None:
    with pytest.raises(BadCsv):
        compile_csv(",", '"')('"' + '""' * 200_000)


@given(line=st.text('ab,,"";', min_size=1, max_size=12), separator=st.sampled_from([",", ";"]))
def test_quotes_beside_separators_are_read_as_any_others(line: str, separator: str) -> None:
    assert outcome(line, separator) == outcome(f"{line}\nmore", separator)


def outcome(text: str, separator: str) -> Cells | str | None:
    try:
        return compile_csv(separator, '"')(text)
    except BadCsv:
        return "refused"

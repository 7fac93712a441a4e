from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.regex import compile_regex


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (r"\w", "aZ_9"),
        (r"\W", "é-"),
        (r"(?u)\w", "aé_٣"),
        (r"\d", "9"),
        (r"\s", " \t\n\v\f\r"),
        (r"\S", "\u00a0"),
        (r"\h", "0fF"),
        (r"\H", "gé"),
        (r"\e", "\x1b"),
        (r"\cA", "\x01"),
        (r"\xC3\xA9", "é"),
        (r"\p{Lu}", "ÉA"),
        (r"\p{^Lu}", "é1"),
        (r"\p{Han}", "中"),
        (r"\-\/\"", ""),
    ],
)
def test_an_escape_takes_these_characters(text: str, taken: str) -> None:
    compiled = compile_regex(rf"\A{text}\z")

    assert [one for one in taken if not compiled.is_match(one)] == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r"\w", "é٣"),
        (r"\d", "٣"),
        (r"\s", "\u00a0\u2003"),
        (r"\h", "g"),
        (r"\p{Lu}", "a1"),
        (r"(?i)\w", "ſ"),
    ],
)
def test_an_escape_leaves_these_characters(text: str, left: str) -> None:
    compiled = compile_regex(text)

    assert [one for one in left if compiled.is_match(one)] == []


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        (r"\R", "a\r\nb", "\r\n"),
        (r"\X", "e\u0301x", "e\u0301"),
        (r"a\Kb", "ab", "b"),
        (r"(a)(b)\2", "abb", "abb"),
        (r"(?<n>a)|(?<n>b)\k<n>", "bb", "bb"),
        (r"(?i)(a)\1", "aA", "aA"),
        (r"(?<n>\((?:[^()]|\g<n>)*\))", "x(a(b)c)", "(a(b)c)"),
    ],
)
def test_an_escape_that_is_no_character(text: str, message: str, found: str) -> None:
    match = compile_regex(text).search(message)

    assert match is not None
    assert match.group() == found

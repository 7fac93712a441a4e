from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.settings import expression
from ptingest.settings.expression import compile_expression
from tests.support.expressions import EXPRESSIONS, TEXTS


def by_python(text: str, message: str) -> dict[str, str] | None:
    found = re.match(text, message)
    return None if found is None else {name: one for name, one in found.groupdict().items() if one}


@settings(max_examples=150)
@given(text=EXPRESSIONS, messages=st.lists(TEXTS, min_size=1, max_size=4))
def test_re2_has_the_captures_of_pythons_engine(text: str, messages: list[str]) -> None:
    try:
        matched = expression._with_re2(text, "tried").match
    except ValueError:
        return

    assert [matched(message) for message in messages] == [
        by_python(text, message) for message in messages
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (r"(?P<a>(?:\w+ ?)+)$", ["zażółć gęślą", "ab\n", "ab\n\n", "ab\nc", "٣ 中文", "a-b"]),
        (r"(?P<a>.*)\b(?P<b>\d+)$", ["x 12", "ż12", "ż 12", "x٣", "_1", "é-7"]),
        (r"(?P<a>.*)\s(?P<b>.*)$", ["a\xa0b", "a\x1cb", "a\u3000b c", "a b\nc d", "a \n"]),
        (r"(?i)(?P<a>(?:straße|k|s)+)(?P<b>.*)", ["STRASSE", "STRAßE", "\u212aſ", "ks", "İ"]),
        (r"(?im)(?P<a>(?:^\w+$\n?)+)", ["a\nB\n", "a\n\nb", "a b", "", "ż\n"]),
        (r"(?x) (?P<a> (?: aa | b )+ ) # all\n", ["aabbaa", " aa", "c"]),
        (r"(?s)(?P<a>.+),(?P<b>.+)$", ["a,b\n", "a\n,b,c", ",\n", ",,\n\n"]),
        (r"(?a)(?P<a>(?:\w+,)+)(?P<b>\W*)", ["ab,ż", "żab,", "a,b,٣"]),
        (r"(?P<a>[^\W\d_]+(?:-[^\W\d_]+)*)(?P<b>.*)\Z", ["ab-ć1", "ab-", "a\n"]),
        (r"(?P<a>(?:[a-z]+=?[a-z]*,?)+)$", ["a=b,c=d", "a" * 12 + "!", "a=b\n", "a\ud800"]),
        (r"(?P<a>(?:.|\n)*)x(?P<b>[\ud800-\udfff]?)", ["a\udc80x\ud800", "xx", "\U0010ffffx"]),
    ],
)
def test_what_the_two_engines_know_differently_comes_out_alike(
    text: str, messages: list[str]
) -> None:
    compiled = compile_expression(text)

    assert compiled.engine == "re2"
    assert compiled.why
    assert [compiled.match(message) for message in messages] == [
        by_python(text, message) for message in messages
    ]


def test_what_is_proven_runs_on_pythons_own_engine() -> None:
    compiled = compile_expression(r"(?P<client>\S+) (?P<what>(?>\w+))(?P<rest>x)?")

    assert (compiled.engine, compiled.why) == ("re", "")
    assert compiled.fields == ("client", "what", "rest")
    assert compiled.match("10.0.0.1 get") == {"client": "10.0.0.1", "what": "get"}
    assert compiled.match("nothing") is None


BACKTRACKING = [
    r"(?P<a>(a+)+)$",
    r"(?P<a>(a|aa)+)$",
    r"(?P<a>(a|a?)+)$",
    r"(?P<a>(?:a*)*)b",
    r"(?P<a>(?:.*a){20})$",
    r"(?P<a>a*a*a*a*a*a*a*b)",
    r"(?P<a>(?:(?:a+)?){40})$",
    r"(?P<a>(?:[a-z]+=?[a-z]*,?)+)$",
]


@pytest.mark.parametrize("text", BACKTRACKING)
def test_a_line_that_makes_others_go_back_for_ever_is_answered(text: str) -> None:
    assert compile_expression(text).match("a" * 5_000 + "!") is None


def test_the_wider_a_program_the_shorter_its_longest_line() -> None:
    narrow = compile_expression(r"(?P<a>(?:\w+ ?)+)$")
    wide = compile_expression("(?P<a>(?:(?:a?b?c?){1,50}d?)+)e$")

    assert narrow.longest is not None
    assert wide.longest is not None
    assert narrow.longest > 1 << 20 > wide.longest > 1 << 16
    assert wide.match("abcd" * (wide.longest // 4 - 1) + "e") is not None
    assert wide.match("abcd" * (wide.longest // 4 + 1) + "e") is None
    assert compile_expression(r"(?P<a>\S+)").longest is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"(?P<a>(a+)+)\1", ["may take for ever", "refers back to a group"]),
        (r"(?P<a>(?:(?!b).)*b)", ["repeats a group", "looks ahead or behind", "[^,]*"]),
        (r"(?P<a>(?:a{1,900}){1,900}b)", ["is too large"]),
        (r"(?P<a>", ["does not compile"]),
        ("(" * 5000 + ")" * 5000, ["does not compile"]),
        ("(?P<a>a{99999999999})", ["does not compile"]),
    ],
)
def test_what_neither_engine_can_is_refused_with_the_cure(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError) as refused:
        compile_expression(text)

    for word in words:
        assert word in str(refused.value)
    assert len(str(refused.value)) < 700

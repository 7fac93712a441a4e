from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.logstash.onigmo.parse import parse
from ptingest.pipeline.logstash.onigmo.python_text import write
from ptingest.pipeline.logstash.regex import (
    BadRegex,
    Regex,
    RegexTimeout,
    compile_regex,
)
from tests.support.backtracking import steps
from tests.support.expressions import RUBY, TEXTS


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        (r"(?<v>\w)$", "ab\ncd", "b"),
        ("a.b", "a\nb", None),
        ("(?m)a.b", "a\nb", "a\nb"),
        (r"\bcaf\b", "café", None),
        (r"\b\w+\b", "café naïve x", "x"),
        (r"\bcafe\b", "cafe\u0301", None),
        (r".\Z", "ab\n", "b"),
        (r"\B", "", ""),
        (r".\z", "ab\n", None),
        ("a{2,3}?", "aaa", "aa"),
        ("(?i)straße", "STRAẞE", "STRAẞE"),
        ("(?~abc).", "xxabcz", "xxabc"),
        (r"(?:a|b)*+b", "aab", None),
        (r"\w+(?:\.\w+)*+", "- a.b.c.", "a.b.c"),
    ],
)
def test_the_first_match(text: str, message: str, found: str | None) -> None:
    match = compile_regex(text).search(message)

    assert (match and match.group()) == found


@pytest.mark.parametrize(
    "text", [r"^a\b|x", r"^(?<a>\w+)\|", r"\Ax", r"(\w+)\s(\w+)$", "a", "(a+)+b", r"(?<!a)b"]
)
@pytest.mark.parametrize("message", ["", "a|b", "x y", "aab", "w" * 100 + "|"])
def test_plain_texts_have_the_same_first_match(text: str, message: str) -> None:
    compiled = compile_regex(text)

    search, longest = compiled.plain

    if len(message) <= longest:
        assert str(search(message)) == str(compiled.search(message))


def test_an_expression_whose_steps_are_not_proven_takes_no_plain_text() -> None:
    _, longest = compile_regex("(?:a|a)*+(?~b)").plain

    assert longest < 0


def test_dot_takes_a_newline_where_the_caller_says_so() -> None:
    assert compile_regex("a.b", dot_matches_newline=True).is_match("a\nb")
    assert not compile_regex("(?-m)a.b", dot_matches_newline=True).is_match("a\nb")


def test_names_know_their_groups_in_order() -> None:
    compiled = compile_regex("(?<n>a)?(?<m>b)(?<n>c)")
    found = compiled.search("bc")

    assert compiled.names == {"n": (1, 3), "m": (2,)}
    assert found is not None
    assert [found.group(number) for number in (1, 2, 3)] == [None, "b", "c"]


def test_all_matches_are_found_with_all_engines() -> None:
    plain, last = compile_regex("[ab]+"), compile_regex(r"\G[ab]")

    assert [found.group() for found in plain.finditer("ab-ba")] == ["ab", "ba"]
    assert [found.group() for found in plain.finditer("ab-" * 5_000)] == ["ab"] * 5_000
    assert [found.group() for found in last.finditer("ab-ba")] == ["a", "b"]


def test_a_refusal_names_the_expression() -> None:
    with pytest.raises(BadRegex) as refused:
        compile_regex("(a")

    assert "/(a/" in str(refused.value)


HOSTILE = [
    (r"^(?:\w+\s?)+$", "a" * 20_000 + "!"),
    (r"(?:a|a)*b", "a" * 20_000),
    (r"(?:\w*\d*)*!", "1a" * 10_000),
    (r"(?<k>.*)=(?<v>.*);(?<w>.*),(?<x>.*)!", "=;,a" * 3_000),
    (r"(?:(?=\w)\w+)+x(?<=y)", "a" * 20_000),
    (r"(?<a>\S+)+ (?>\d+)(?!0)", "b" * 20_000),
]


@pytest.mark.parametrize(("text", "message"), HOSTILE)
def test_a_line_that_makes_a_backtracking_engine_go_on_for_ever_is_answered(
    text: str, message: str
) -> None:
    assert not compile_regex(text).is_match(message)


@pytest.mark.parametrize(("text", "letter"), [(r"^(?:\w|\w)+$", "a"), (r"(?:a|a)+b", "a")])
def test_such_a_line_is_beyond_a_backtracking_engine(text: str, letter: str) -> None:
    """Each further character doubles the steps: 30 take a minute, 60 longer than anyone waits."""
    bounded = write(parse(text), spells_words=False).text.replace("+", "{1,14}")

    few, more = (steps(bounded, letter * times + "!") for times in (7, 12))

    assert more > 25 * few


def test_a_text_that_nobody_can_decide_ends_and_says_so() -> None:
    compiled = compile_regex(r"(?:(?=a)(?:a|a))*b(?<!b)")

    with pytest.raises(RegexTimeout):
        compiled.search("a" * 200 + "b")


def test_a_slow_pattern_goes_on_to_answer_usual_lines() -> None:
    compiled = compile_regex(r"^(?<all>(?:\w+\s?)+)$")

    assert not compiled.is_match("a" * 20_000 + "!")
    found = compiled.search("x!\nsome words")
    assert found is not None
    assert found.group(1) == "some words"
    assert [match.group() for match in compiled.finditer("a b\nc!\nd")] == ["a b", "d"]


@settings(deadline=None, max_examples=150)
@given(text=RUBY, message=TEXTS)
def test_all_engines_give_one_answer(text: str, message: str) -> None:
    usual = compile_regex(text)

    answers = [answer(usual, message), answer(without_bounds(text), message)]
    answers.append(answer(slow(text), message))

    assert answers[1:] == answers[:1] * 2


def answer(compiled: Regex, message: str, start: int = 0) -> object:
    found = compiled.search(message, start)
    return found and (found.start(), found.end(), found.groups())


def without_bounds(text: str) -> Regex:
    """Return an expression that ``re`` may not run."""
    compiled = compile_regex(text)
    compiled._usual._search_most = compiled._usual._line_most = -1
    compiled._usual._growth = None
    return compiled


def slow(text: str) -> Regex:
    """Return an expression that RE2 runs first."""
    compiled = without_bounds(text)
    compiled._usual._is_slow = True
    return compiled


@settings(deadline=None, max_examples=100)
@given(text=RUBY.map("^{}".format), message=TEXTS, start=st.integers(0, 4))
def test_what_begins_a_line_is_searched_for_where_lines_begin(
    text: str, message: str, start: int
) -> None:
    lines, plain = compile_regex(text), compile_regex(text)
    lines._usual._search_most = -1
    start = min(start, len(message))

    assert answer(lines, message, start) == answer(plain, message, start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"^\w+\|(?m:.*?)\|\d+-\d+\|(?m:.*)$", "INFO|a.b|2025-01|" + "text " * 1000),
        (r"^\w+\|(?m:.*?)\|\d+-\d+\|(?m:.*)$", "INFO|a.b|\n" + "a line\n" * 100),
        (r"(\w+) (.*?)(?:\[(\d+)\])?: (?m:.*)", "web sshd[42]: " + "text " * 100),
    ],
)
def test_long_texts_with_few_marks_run_on_pythons_own_engine(text: str, message: str) -> None:
    compiled = compile_regex(text)
    compiled._usual._regex = None

    found = compiled.search(message)

    assert answer(compiled, message) == answer(slow(text), message)
    assert found is None or isinstance(found, re.Match)


def test_short_texts_run_on_pythons_own_engine() -> None:
    compiled = compile_regex(r"(?<a>\w+) (?<b>.*)")

    assert isinstance(compiled.search("a b"), re.Match)
    assert isinstance(compiled.search("a b" * 100_000), re.Match)


@pytest.mark.parametrize("character", ["\u0660", "\U0001d7ce", "\U00016ac0", "é", "\u24b6", "📦"])
def test_words_are_rubys_with_characters_that_the_engines_count_otherwise(character: str) -> None:
    text = r"\b[[:word:]]+\b"

    assert answer(compile_regex(text), f"- {character}") == answer(
        compile_regex(r"[[:word:]]+"), f"- {character}"
    )

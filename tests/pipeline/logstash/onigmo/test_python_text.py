from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from ptingest.pipeline.logstash.onigmo.parse import parse
from ptingest.pipeline.logstash.onigmo.python_text import has_word_edges, write, write_relaxed
from ptingest.pipeline.logstash.onigmo.tree import BadRegex
from tests.support.expressions import RUBY, TEXTS


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\d+", "[0-9]+"),
        ("a{2,}+", "(?:a{2,})+"),
        ("(?<n>a|b)c", "(?P<g1>a|b)c"),
        ("a(?:b|c)d", "a(?:b|c)d"),
        ("(?m:.).", "(?s:.)."),
        ("^a", "(?m:^)a"),
        ("^", r"(?m:^)(?!(?<=\n)\Z)"),
        ("(?<=a|bc)d", "(?:(?<=a)|(?<=bc))d"),
        ("(?<!a|bc)d", "(?<!a)(?<!bc)d"),
        ("[^a]", "[^a]"),
        (r"a\Z", "a$"),
    ],
)
def test_the_text_for_python(text: str, written: str) -> None:
    assert write(parse(text), spells_words=False) == (written, False)


@pytest.mark.parametrize("text", [r"\G", r"\K", r"\X", r"(?<n>a\g<n>?)"])
def test_some_is_known_to_the_package_regex_alone(text: str) -> None:
    assert write(parse(text), spells_words=False).needs_regex


def test_words_are_spelled_only_where_edges_are() -> None:
    edge = parse(r"\bx")

    assert has_word_edges(edge)
    assert not has_word_edges(parse("x"))
    assert r"\b" not in write(edge, spells_words=True).text


@pytest.mark.parametrize(("text", "words"), [("(?<=a+)b", "its length"), ("(?~a|bc)", "(?~...)")])
def test_what_has_no_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadRegex) as refused:
        write(parse(text), spells_words=False)

    assert words in str(refused.value)


@settings(deadline=None, max_examples=200)
@given(text=RUBY, message=TEXTS)
def test_the_relaxed_expression_matches_wherever_the_exact_one_does(
    text: str, message: str
) -> None:
    parsed = parse(text.replace(r"\Z", r"\z"))
    exact = write(parsed, spells_words=False)
    relaxed = write_relaxed(parsed, spells_words=False)

    if re.search(exact.text, message):
        assert re.search(relaxed, message)

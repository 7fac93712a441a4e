from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.onigmo.replacement import compile_replacement
from ptingest.pipeline.logstash.onigmo.tree import BadRegex
from ptingest.pipeline.logstash.regex import compile_regex


@pytest.mark.parametrize(
    ("expression", "replacement", "text", "made"),
    [
        ("b", "x", "abc", "axc"),
        ("(b)(c)?", r"<\1\2\0\&>", "abd", "a<bbb>d"),
        ("b", r"\\\'\`", "abc", r"a\cac"),
        ("(?<n>b)|(?<n>c)", r"\k<n>\k<n>", "abc", "abbcc"),
        ("b", r"\9\x\10", "abc", r"a\x0c"),
        ("b*", "-", "abc", "-a--c-"),
        ("^", "> ", "a\nb\n", "> a\n> b\n"),
        ("$", ";", "a\nb", "a;\nb;"),
        ("b", "\\", "abc", "a\\c"),
        ("z", "x", "abc", "abc"),
    ],
)
def test_a_replacement_as_ruby_makes_it(
    expression: str, replacement: str, text: str, made: str
) -> None:
    assert compile_regex(expression).gsub(replacement, text) == made


@pytest.mark.parametrize("text", [r"\k<m>", r"\k<n"])
def test_a_name_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(BadRegex):
        compile_replacement(text, {"n": (1,)}, 1)

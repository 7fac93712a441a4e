from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.onigmo.parse import parse
from ptingest.pipeline.logstash.onigmo.tree import (
    BadRegex,
    Choice,
    Group,
    Mode,
    One,
    Repeat,
    Sequence,
)


def one(character: str) -> One:
    return One(((ord(character), ord(character)),))


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("ab", Sequence((one("a"), one("b")))),
        ("a|b", Choice((one("a"), one("b")))),
        ("a{,2}", Repeat(one("a"), 0, 2)),
        ("a{2,}+", Repeat(Repeat(one("a"), 2, None), 1, None)),
        ("a++", Repeat(one("a"), 1, None, Mode.POSSESSIVE)),
        ("a{x}", Sequence((one("a"), one("{"), one("x"), one("}")))),
        ("(?x) a # b\n", one("a")),
        ("a(?#b)", one("a")),
        ("(a)", Group(1, one("a"))),
        ("(?<n>a)", Group(1, one("a"))),
        (r"\u0041\x42\103\u{44}", Sequence(tuple(map(one, "ABCD")))),
    ],
)
def test_the_tree_of_an_expression(text: str, root: object) -> None:
    assert parse(text).root == root


def test_groups_without_a_name_do_not_capture_beside_named_ones() -> None:
    parsed = parse("(a)(?<n>b)(?<m>c)(?<n>d)")

    assert (parsed.groups, parsed.names) == (3, {"n": (1, 3), "m": (2,)})


def test_an_option_reaches_to_the_end_of_its_group_over_the_ways() -> None:
    assert parse("a(?m)b|.").root == parse("a(?m:b|.)").root


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(a", "unmatched parenthesis"),
        ("a)", "unmatched close parenthesis"),
        ("[a", "premature end"),
        ("*a", "target of repeat"),
        ("a\\", "an escape"),
        (r"\k<n>", "undefined name <n>"),
        (r"(?<v>(a)\k<v2>(?<v2>x))\1", "numbered backref"),
        (r"(?<v>(a)\k<w>)", "undefined name <w>"),
        (r"(?<v>\P{L}+)", r"write \p{^...}"),
        (r"\p{Nothing}", "no character property"),
        ("[b-a]", "empty range"),
        ("(?<>a)", "invalid group name"),
        ("(?k)", "undefined group option"),
        ("a{100001}", "too big"),
        (r"(a)\2", "no group 2"),
        ("(" * 300 + ")" * 300, "inside of each other"),
    ],
)
def test_what_is_refused_and_why(text: str, words: str) -> None:
    with pytest.raises(BadRegex) as refused:
        parse(text)

    assert words in str(refused.value)

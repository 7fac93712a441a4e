from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.pipeline.patterns import StrictLineMatcher, take_apart
from ptingest.settings.expression import compile_expression
from ptingest.settings.linear import NotProven, growth, prove
from ptingest.settings.load import load_profile
from ptingest.settings.packaged_patterns import packaged_patterns
from ptingest.settings.profile import PatternSettings
from tests.support.backtracking import steps
from tests.support.expressions import REPEATS

SHORT = st.text("ab1,\n", max_size=3)


@pytest.mark.parametrize(
    "expression",
    [
        r"(?P<a>\S+) (?P<b>[^\]]+)\] ?(?P<c>.*)",
        r"(?P<a>.*)=(?P<b>.*)",
        r"(?s)(?P<a>.*?) - (?P<b>.*)",
        ".*foo$",
        r"(?!.*foo)(?P<x>\S+) (?P<y>.*)",
        "(?:a|ab){5}c",
        r"(?>\w+) \d++x",
        r"(?<![0-9.+-])(?>[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))",
    ],
)
def test_what_never_goes_back_far_is_proven(expression: str) -> None:
    prove(expression)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(a+)+b", "repeats a group"),
        ("(?:aa|b)*c", "repeats a group"),
        ("a*a*b", "may begin as what is repeated"),
        (r"(?P<a>.*)=(?P<b>.*)$", "may begin as what is repeated"),
        (r"\S+(?=.*b)c", "may begin as what is repeated"),
        ("(?:a?){20}b", "too many choices"),
        ("(?:(?:(?:a{1,30}){1,30}){1,30}){1,30}b", "too many choices"),
        (r"(a)\1", "refers back"),
        (r"(a)?(?(1)b|c)", "refers back"),
    ],
)
def test_what_may_go_back_again_and_again_is_not(expression: str, why: str) -> None:
    with pytest.raises(NotProven, match=why):
        prove(expression)


@settings(deadline=None, max_examples=150)
@given(
    expression=REPEATS, before=SHORT, again=st.text("ab1,\n é", min_size=1, max_size=3), end=SHORT
)
def test_what_is_proven_takes_no_more_than_twice_the_steps_for_twice_the_text(
    expression: str, before: str, again: str, end: str
) -> None:
    try:
        prove(expression)
    except NotProven:
        return

    few, more, most = (steps(expression, before + again * times + end) for times in (30, 60, 120))

    assert most - more <= 2.2 * (more - few) + 10


def test_the_steps_of_an_expression_that_is_not_linear_grow_faster() -> None:
    few, more, most = (steps("a*a*b", "a" * times) for times in (30, 60, 120))

    assert most - more > 3.5 * (more - few)


def shipped() -> dict[str, PatternSettings]:
    """Every pattern of the packaged profile, and those that it can switch on."""
    (group,) = load_profile(packaged_profile_path(), {}).groups
    more = map(PatternSettings.model_validate, packaged_patterns().values())
    return {pattern.name: pattern for pattern in (*group.patterns, *more)}


SHIPPED = shipped()


def test_every_shipped_pattern_is_looked_at() -> None:
    assert sorted(SHIPPED) == [
        "dotted_milliseconds", "nginx_access", "nginx_error", "plain_time", "react",
    ]  # fmt: skip


def expressions(pattern: PatternSettings) -> list[str]:
    """The expression that the engine runs for a pattern; JSON patterns have none."""
    if pattern.regex is not None:
        return [pattern.regex]
    if pattern.line is None:
        return []
    pieces = take_apart(pattern.line)
    strict = StrictLineMatcher(pattern.line)._expression.pattern
    return [pieces.head, "\n" + pieces.head, *pieces.anchors, f"(?s){strict}\\Z"]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_shipped_pattern_is_linear(name: str) -> None:
    pattern = SHIPPED[name]
    if pattern.regex is not None and compile_expression(pattern.regex).engine == "re2":
        return  # which is linear for every input

    for expression in expressions(pattern):
        prove(expression)


def test_which_shipped_patterns_need_re2_is_known() -> None:
    on_re2 = {
        name
        for name, pattern in SHIPPED.items()
        if pattern.regex is not None and compile_expression(pattern.regex).engine == "re2"
    }

    assert on_re2 == {"nginx_access"}


STAMP = "|2025-01-02T03:04:05"
HOSTILE = [
    "|", "INFO|", "\n", "\nINFO", "a", "\nINFO|a", "1", "|1", STAMP, f"{STAMP}.", f"{STAMP}.1",
    "|-", f"{STAMP}.111", f"{STAMP},1", "20", f"{STAMP}Z", f"{STAMP}+01:00.", "\n1|",
]  # fmt: skip


@pytest.mark.parametrize("shape", HOSTILE)
@pytest.mark.parametrize("name", ["dotted_milliseconds", "plain_time"])
@pytest.mark.slow
def test_searching_for_a_piece_never_goes_over_a_text_again_and_again(
    name: str, shape: str
) -> None:
    for expression in expressions(SHIPPED[name])[1:-1]:
        few, more, most = (
            sum(steps(expression, text[start:]) for start in range(len(text)))
            for text in (shape * 20, shape * 40, shape * 80)
        )

        assert most - more <= 2.2 * (more - few) + 10


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (".*b", (1, 1)),
        (".*.*b", (2, 1)),
        (".*.*.*b", (3, 1)),
        ("(?:a?){4}b", (1, 8)),
        (r"(?:[a-z]+\.)*[a-z]+:", (2, 1)),
        (r"(?:\.[a-z]+)*:", (1, 1)),
        (r"(?:\\.|[^\\\"])*\"", (1, 1)),
    ],
)
def test_how_the_time_grows(expression: str, told: tuple[int, int]) -> None:
    assert growth(expression, power=3) == (*told, "", 0)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("a*a*b", (1, 1, "ab", 1)),
        ("a*a*a*b", (1, 1, "ab", 2)),
        (r"a.*?,b*c", (1, 1, ",", 1)),
        (r"(?:.*?,){3}b*c", (1, 1, ",", 3)),
        (r".*?,.*?;.*=b*c", (1, 1, ",;=", 3)),
        (r".*?[,;]b*c", (1, 1, ",;", 1)),
        (r".*?[a-e]b*c", (2, 1, "", 0)),
        (r"b?,b*c", (1, 1, "", 0)),
        (r"(?s).*?,.*$", (1, 1, "", 0)),
        (r"(?s).*?,.*?,.*(?m:$)", (1, 1, ",", 1)),
        (r".*?,.*x", (1, 1, ",", 1)),
    ],
)
def test_tries_where_one_character_stands_are_counted_by_that_character(
    expression: str, told: tuple[int, int, str, int]
) -> None:
    assert growth(expression, power=3) == told


@pytest.mark.parametrize(
    "expression",
    [
        "(?:a+)*b",
        "(?:[ab]a|a[ab])*c",
        "(?:a?)*b",
        r"(?:(?=.*x)a)*b",
        "(?:a?b?)*",
        ".*.*.*.*b",
        r"(a)\1",
    ],
)
def test_what_grows_faster_or_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(NotProven):
        growth(expression, power=3)


ENDLESS = st.tuples(REPEATS, st.sampled_from(["*", "+", "*?"]), REPEATS).map(
    lambda parts: f"(?:{parts[0]}){parts[1]}{parts[2]}"
)


@settings(deadline=None, max_examples=150)
@given(
    expression=ENDLESS, before=SHORT, again=st.text("ab1,\n é", min_size=1, max_size=3), end=SHORT
)
def test_the_steps_of_what_is_told_grow_with_that_power(
    expression: str, before: str, again: str, end: str
) -> None:
    try:
        told = growth(expression, power=3)
    except NotProven:
        return

    few, more, most = (steps(expression, before + again * times + end) for times in (12, 24, 48))

    # Marks are among what is repeated, so that their number doubles with the length.
    assert most - more <= 2.3 ** (told.power + told.marks_power) * (more - few) + 30


@settings(deadline=None, max_examples=150)
@given(
    expression=st.lists(
        st.sampled_from([".*?", ".*", r"\w+", "[^,]*", ",", "a", "b?", r"\d+", "(?:a|ab)"]),
        min_size=3, max_size=8,
    ).map("".join),
    before=st.text("ab1,", max_size=6), again=st.text("ab1\n", min_size=1, max_size=3),
    end=st.text("ab1,", max_size=6),
)  # fmt: skip
def test_what_has_no_mark_adds_no_more_steps_than_the_power_of_the_length_tells(
    expression: str, before: str, again: str, end: str
) -> None:
    try:
        told = growth(expression, power=3)
    except NotProven:
        return
    if set(told.marks) & set(again):
        return

    few, more, most = (steps(expression, before + again * times + end) for times in (20, 40, 80))

    assert most - more <= 2.3**told.power * (more - few) + 30

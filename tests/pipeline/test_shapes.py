from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.pipeline.shapes import OFF, Near, Nearness, shape
from ptingest.settings.load import load_profile
from ptingest.settings.packaged_patterns import packaged_patterns
from ptingest.settings.profile import PatternSettings


@pytest.fixture(scope="module")
def nearness() -> Nearness:
    return Nearness(load_profile(packaged_profile_path(), {}).groups[0].patterns)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            '10.0.0.1 - - [02/Jan/2025:03:04:05 +0000] "GET /p/42 HTTP/1.1" 200',
            '0.0.0.0 - - [0/a/0:0:0:0 +0] "a" 0',
            id="an access log",
        ),
        pytest.param('"-" "" "b\\"c" "x', '"-" "" "a" "a', id="what stands between quotes"),
        pytest.param(
            "id 7f3a9 was 12ab34", "a 0a a 0a", id="identifiers of any letters and digits"
        ),
        pytest.param(
            "task 0b5e8f66-9d1c-4a7b-8d0e-2f4c9a1b7e33 done",
            "a 0a a",
            id="a UUID is one identifier",
        ),
        pytest.param("2025-01-02T03:04:05Z x1", "0-0-0a:0:0a a0", id="a time is no identifier"),
        pytest.param("one two three four five", "a a a", id="words of any number look alike"),
        pytest.param("GET /a/b/c/d", "a /a/a", id="paths of any depth look alike"),
        pytest.param("Łódź ελ 東京 ٤٢", "a a a 0", id="letters and digits of all scripts"),
        pytest.param("a\tb\x1b[0m…", "a?a?[0a?", id="what cannot be printed"),
        pytest.param("first\nsecond", "a (and more lines)", id="only the first line"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_shape_shows_how_a_line_is_built(message: str, expected: str) -> None:
    assert shape(message) == expected


def test_a_shape_is_short_however_long_the_line() -> None:
    assert len(shape("x-" * 100_000)) <= 103


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_a_shape_tells_nothing_of_what_a_line_says(message: str) -> None:
    told = shape(message).removesuffix(" (and more lines)")

    assert {letter for letter in told if letter.isalnum()} <= {"a", "0"}
    assert told.isascii()
    assert told.isprintable()


@pytest.mark.parametrize(
    ("message", "pattern", "missing"),
    [
        ("INFO|a.b|2025-13-02 03:04:05|x", "dotted_milliseconds", "{timestamp:log_timestamp}"),
        ("INFO|a.b|2025-01-02T03:04:05.abc|x", "dotted_milliseconds", "{int:log_ms}"),
        ("INFO: started", "dotted_milliseconds", "`|`"),
        ("", "dotted_milliseconds", "{word:log_level}"),
        ("|||", "dotted_milliseconds", "{word:log_level}"),
    ],
)
def test_the_nearest_pattern_is_named_with_the_piece_it_lacks(
    nearness: Nearness, message: str, pattern: str, missing: str
) -> None:
    assert nearness.nearest(message) == Near(pattern, missing)


def test_a_pattern_that_gets_further_is_nearer() -> None:
    near = Nearness(
        [
            PatternSettings(name="short", line="{int:n}-{rest:r}"),
            PatternSettings(name="long", line="{int:n} {word:w}:{rest:r}"),
        ]
    )

    assert near.nearest("42 words, no colon") == Near("long", "`:`")


def test_a_users_own_expression_is_never_the_nearest() -> None:
    near = Nearness([PatternSettings(name="own", regex="^(?P<a>x)$")])

    assert near.nearest("y") is None


ACCESS = '203.0.113.31 - - [02/Jan/2025:03:04:05 +0000] "GET / HTTP/1.1" 200 789'


def test_a_packaged_pattern_that_fits_and_is_off_is_the_nearest() -> None:
    (group,) = load_profile(packaged_profile_path(), {}).groups
    on = PatternSettings.model_validate(packaged_patterns()["nginx_access"])

    near = Nearness(group.patterns, with_packaged=True).nearest(ACCESS)
    switched_on = Nearness([*group.patterns, on], with_packaged=True).nearest(ACCESS)
    alone = Nearness(group.patterns).nearest(ACCESS)

    assert near == Near("nginx_access", OFF, is_off=True)
    assert switched_on is not None
    assert alone is not None
    assert (switched_on.is_off, alone.is_off) == (False, False)

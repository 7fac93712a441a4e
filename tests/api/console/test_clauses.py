from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.api.console.clauses import Writing, added, clause, holds, quoted, without, written_at
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, QueryValue, parse

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)


@settings(deadline=None)
@given(field=st.sampled_from(["service", "host.name", "@timestamp"]), value=TEXTS)
def test_a_clicked_value_is_asked_for_as_it_is(field: str, value: str) -> None:
    asked = parse(clause(field, value))

    assert isinstance(asked, Match)
    assert (asked.field, asked.value.text, asked.value.has_wildcard) == (field, value, False)
    assert parse(clause(field, value, is_negated=True)) == Negated(asked)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("django", "django"),
        ("apps.parcels.views", "apps.parcels.views"),
        ("or", '"or"'),
        ("Not", '"Not"'),
        ("a b", '"a b"'),
        ("a*", '"a*"'),
        ('say "no"\\', '"say \\"no\\"\\\\"'),
        ("", '""'),
    ],
)
def test_a_value_is_quoted_where_it_must(value: str, text: str) -> None:
    assert quoted(value) == text


def test_the_lack_of_a_field_can_be_asked_for() -> None:
    assert parse(clause("log_level", None)) == Negated(Match("log_level", QueryValue(("", ""))))
    assert clause("log_level", None, is_negated=True) == "log_level:*"


@pytest.mark.parametrize(
    ("query", "after"),
    [
        ("", "a:1"),
        (" * ", "a:1"),
        ("b:2", "b:2 and a:1"),
        ("b:2 or c:3", "(b:2 or c:3) and a:1"),
        ('b:"this or that"', 'b:"this or that" and a:1'),
        ("b:oracle", "b:oracle and a:1"),
    ],
)
def test_a_clause_must_hold_as_well(query: str, after: str) -> None:
    assert added(query, "a:1") == after
    assert holds(after, "a:1")


@pytest.mark.parametrize("query", ["b:2", "b:2 AND c:3", "(b:2 or c:3) and d:4", 'b:"x y"'])
def test_what_was_added_can_be_taken_out_again(query: str) -> None:
    assert without(added(query, "a:1"), "a:1") == query


@pytest.mark.parametrize(
    ("query", "one", "left"),
    [
        ("a:1", "a:1", ""),
        ("a:1 and b:2", "a:1", "b:2"),
        ("b:2 AND a:1 and c:3", "a:1", "b:2 and c:3"),
        ("(b:2 or c:3) and a:1", "a:1", "b:2 or c:3"),
        ("a:1 and (b:2)", "a:1", "b:2"),
    ],
)
def test_a_clause_is_taken_out_wherever_it_stands(query: str, one: str, left: str) -> None:
    assert without(query, one) == left
    assert not holds(left, one)


def test_or_binds_weaker_than_what_was_added() -> None:
    query = parse(added("a:1 or b:2", "c:3"))

    assert isinstance(query, AllOf)
    assert isinstance(query.parts[0], AnyOf)


@pytest.mark.parametrize(
    ("query", "at", "writing"),
    [
        ("", 0, Writing(None, 0, "")),
        ("serv", 4, Writing(None, 0, "serv")),
        ("a:1 and host.n", 14, Writing(None, 8, "host.n")),
        ("service:dj", 10, Writing("service", 8, "dj")),
        ("service : dj", 12, Writing("service", 10, "dj")),
        ('service:"dj', 11, Writing("service", 8, "dj")),
        ("(log_level:E", 12, Writing("log_level", 11, "E")),
        ("service:django and x", 10, Writing("service", 8, "dj")),
        ("a >= 5", 6, Writing(None, 5, "5")),
        ('a:"x y', 6, Writing(None, 5, "y")),
        ("a)", 2, None),
    ],
)
def test_what_is_being_written_is_seen(query: str, at: int, writing: Writing | None) -> None:
    assert written_at(query, at) == writing


@pytest.mark.parametrize("blanks", [" ", "\t", "( "])
def test_very_many_blanks_are_looked_through_once(blanks: str) -> None:
    """The time must not grow with their square, which would be minutes of the event loop."""
    query = f'a:{blanks * 100_000}"b" c'

    assert written_at(query, len(query)) is not None
    assert not holds(query, "a:1")
    assert holds(added(query, "x:1"), "x:1")

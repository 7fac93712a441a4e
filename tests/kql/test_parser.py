from __future__ import annotations

import pytest

from ptingest.errors import QueryInvalid
from ptingest.kql.parser import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Match,
    Negated,
    Query,
    QueryValue,
    Range,
    parse,
)


def match(field: str | None, *pieces: str, quoted: bool = False) -> Match:
    return Match(field, QueryValue(pieces, quoted))


A, B, C = match("f", "a"), match("f", "b"), match("f", "c")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        pytest.param("f:a", A, id="a field and a value"),
        pytest.param("f : a", A, id="blanks around the colon"),
        pytest.param("", EVERYTHING, id="nothing is everything"),
        pytest.param(" * ", EVERYTHING, id="a star is everything"),
        pytest.param("*:*", EVERYTHING, id="so is Kibana's own spelling"),
        pytest.param("f:a AND f:b", AllOf((A, B)), id="and in capitals"),
        pytest.param("f:a and f:b Or f:c", AnyOf((AllOf((A, B)), C)), id="and binds tighter"),
        pytest.param("f:a and (f:b or f:c)", AllOf((A, AnyOf((B, C)))), id="parentheses"),
        pytest.param("not f:a and f:b", AllOf((Negated(A), B)), id="not binds tightest"),
        pytest.param("not(f:a)", Negated(A), id="not before a parenthesis"),
        pytest.param("f:(a or b and c)", AnyOf((A, AllOf((B, C)))), id="a list of values"),
        pytest.param("f:(not a)", Negated(A), id="a list with not"),
        pytest.param('f:"a b"', match("f", "a b", quoted=True), id="a quoted value"),
        pytest.param("f:a b", match("f", "a b"), id="an unquoted value with a blank"),
        pytest.param("f:android or nothing", AnyOf((match("f", "android"), match(None, "nothing"))),
                     id="words that begin like keywords"),
        pytest.param("f:a*b", match("f", "a", "b"), id="a wildcard"),
        pytest.param('f:"a*b"', match("f", "a*b", quoted=True), id="no wildcard in quotes"),
        pytest.param(r"f:a\*b", match("f", "a*b"), id="an escaped star"),
        pytest.param(r"f:a\:b\(\)\<\>\"\{\}\\", match("f", 'a:b()<>"{}\\'), id="escaped signs"),
        pytest.param(r"f:\and", match("f", "and"), id="an escaped keyword"),
        pytest.param(r"f:\not", match("f", "not"), id="an escaped not is no line break"),
        pytest.param(r"f:a\u0142\t", match("f", "ał\t"), id="unicode and blanks by escape"),
        pytest.param(r"f:\ud83d", match("f", "\ufffd"), id="half a pair is a replacement"),
        pytest.param(r'f:"a \"b\" \\"', match("f", 'a "b" \\', quoted=True), id="quoted escapes"),
        pytest.param("@timestamp >= 2025", Range("@timestamp", ">=", "2025"), id="a range"),
        pytest.param('a.b<"x y"', Range("a.b", "<", "x y"), id="a range with a quoted value"),
        pytest.param("timeout*", match(None, "timeout", ""), id="a bare wildcard"),
    ],
)  # fmt: skip
def test_a_query_is_read_as_kibana_reads_it(text: str, query: Query) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "column", "seen", "expected"),
    [
        pytest.param("f:", 3, "the query ends", "a value", id="value missing"),
        pytest.param("f:a and", 8, "the query ends", "a value", id="nothing after and"),
        pytest.param("and f:a", 1, "'and'", "a value", id="and at the start"),
        pytest.param("(f:a", 5, "the query ends", ")", id="parenthesis left open"),
        pytest.param("f:a)", 4, "')'", "the end", id="parenthesis too many"),
        pytest.param("f:a g:b", 6, "':'", "need `and` or `or`", id="and forgotten"),
        pytest.param('f:"a', 3, "'\"'", "a closing", id="quote left open"),
        pytest.param("f:{g:a}", 3, "'{'", "field.inner", id="nested query"),
        pytest.param("lo*:a", 1, "'lo*'", "whole field name", id="wildcard in a field"),
        pytest.param(r"f\u0000g:a", 1, r"'f\x00g'", "whole field name", id="NUL in a field"),
        pytest.param("f >= a*", 6, "range with *", "a number", id="wildcard in a range"),
        pytest.param("f:a\\", 4, "'\\\\'", "after the backslash", id="lone backslash"),
        pytest.param("(" * 200, 101, "too deeply", "at most 100", id="nested too deeply"),
        pytest.param("a" * 10_001, 1, "10001 characters", "at most 10000", id="too long"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(
    text: str, column: int, seen: str, expected: str
) -> None:
    with pytest.raises(QueryInvalid) as caught:
        parse(text)

    assert caught.value.column == column
    assert seen in caught.value.seen
    assert expected in caught.value.expected

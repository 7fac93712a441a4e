from __future__ import annotations

import pytest

from ptingest.pipeline.logstash.grok import (
    BadPattern,
    Capture,
    Grok,
    compile_groks,
    library,
    read_patterns,
    to_decimal,
    to_whole,
)
from ptingest.pipeline.logstash.regex import RegexTimeout

ECS, LEGACY = library(has_ecs=True), library(has_ecs=False)


def groups(text: str, message: str) -> dict[str, str] | None:
    grok = Grok(text, ECS)
    found = grok.search(message)
    if found is None:
        return None
    return {one.field: found.group(one.group) for one in grok.captures}


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("patterns", [ECS, LEGACY], ids=["ecs", "legacy"])
def test_every_pattern_of_the_library_compiles(patterns: dict[str, str]) -> None:
    for name in patterns:
        Grok(f"%{{{name}:x}}", patterns)


HOSTILE = [
    ("%{COMBINEDAPACHELOG}", '1.1.1.1 - - [02/Jan/2026:03:04:05 +0000] "' + '" 1 1 "' * 300),
    ("%{SYSLOGLINE}x", "Jan  2 03:04:05 " + "a." * 1_000),
    ("%{HAPROXYHTTP}", "Jan  2 03:04:05 h p: 1.1.1.1:5 [" + "1/" * 500),
    ("%{DATA:a}=%{DATA:b}=%{DATA:c}=%{DATA:d}=%{DATA:e};", "=" * 30_000),
    ("%{EMAILADDRESS:e}!", "a.b@" * 1_000),
]


@pytest.mark.parametrize(("text", "line"), HOSTILE)
def test_a_line_made_to_be_slow_is_answered(text: str, line: str) -> None:
    """Logstash's engine is interrupted after 30 seconds on such lines."""
    search = Grok(text, ECS).search

    for _ in range(20):
        assert search(line) is None


def test_a_line_that_is_too_long_even_for_re2_ends_as_well() -> None:
    search = Grok("%{COMBINEDAPACHELOG}", ECS).search

    with pytest.raises(RegexTimeout):
        search('1.1.1.1 - - [02/Jan/2026:03:04:05 +0000] "' + '" 1 1 "' * 20_000)


def test_the_library_has_all_names_of_logstash() -> None:
    assert len(ECS) == 361
    assert {"COMBINEDAPACHELOG", "CISCOFW106023", "ZEEK_HTTP", "NAGIOSLOGLINE"} <= ECS.keys()
    assert "URIQUERY" not in LEGACY


@pytest.mark.parametrize(
    ("text", "message", "found"),
    [
        ("%{WORD:w} %{INT:n}", "abc -12", {"w": "abc", "n": "-12"}),
        ("^%{IP:i}$", "::ffff:10.0.0.1", {"i": "::ffff:10.0.0.1"}),
        ("^%{IP:i}$", "1::", {"i": "1::"}),
        ("^%{IPV6:i}$", "1:2:3:4:5:6:7:8:9", None),
        ("^%{IPV6:i}$", "1:2:3:4:5:6:7::", {"i": "1:2:3:4:5:6:7::"}),
        ("^%{IPV4:i}$", "256.1.1.1", None),
        ("%{NUMBER:n}", "v1.5x", {"n": "1.5"}),
        ("^%{UUID:u}$", "550E8400-e29b-41d4-a716-446655440000",
         {"u": "550E8400-e29b-41d4-a716-446655440000"}),
        ("%{QS:q}", 'a "b \\" c" d', {"q": '"b \\" c"'}),
        ("^%{MONTH:m}$", "März", {"m": "März"}),
        ("^%{MONTH:m}$", "january", {"m": "january"}),
        ("^%{LOGLEVEL:l}$", "WARNING", {"l": "WARNING"}),
        ("^%{TIMESTAMP_ISO8601:t}$", "2026-01-02T03:04:05.678+0100",
         {"t": "2026-01-02T03:04:05.678+0100"}),
        ("^%{UNIXPATH:p}$", "/srv/é/a-b", {"p": "/srv/é/a-b"}),
        ("^%{EMAILADDRESS:e}$", "a+b@ex.org", {"e": "a+b@ex.org"}),
        ("^%{HOSTPORT:h}$", "ex.org:80", {"h": "ex.org:80"}),
        ("(?<a>x)(?<b.c>y)", "xy", {"a": "x", "b.c": "y"}),
        ("%{WORD:[a][b]}", "x", {"[a][b]": "x"}),
        ("%{TWO=(?:a|b)}%{TWO:t}", "ab", {"t": "b"}),
        ("%{DATA:d}\\|%{GREEDYDATA:g}", "a|b\nc", {"d": "a", "g": "b\nc"}),
        ("%{WORD:w and more}", "x", {"w": "x"}),
        ("%{}", "%{}", {}),
    ],
)  # fmt: skip
def test_what_an_expression_finds(text: str, message: str, found: dict[str, str] | None) -> None:
    assert groups(text, message) == found


def test_captures_name_fields_and_types() -> None:
    grok = Grok("%{INT:n:int} %{NUMBER:[a][b]:float} %{WORD:w:odd} (?<c>x)", ECS)

    assert grok.captures == (
        Capture(1, "n", to_whole),
        Capture(2, "[a][b]", to_decimal),
        Capture(3, "w", None),
        Capture(4, "c", None),
    )


def test_only_the_first_of_several_groups_with_one_name_is_converted() -> None:
    assert Grok("%{INT:n:int} %{INT:n:int}", ECS).captures == (
        Capture(1, "n", to_whole),
        Capture(2, "n", None),
    )


def test_patterns_without_a_field_make_one_where_asked() -> None:
    grok = Grok("%{HOUR}:%{MINUTE:m}", ECS, named_captures_only=False)

    assert [one.field for one in grok.captures] == ["HOUR", "m"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%{NOTHING:x}", "pattern %{NOTHING:x} not defined"),
        ("%{LOOP}", "holds itself"),
        ("(abc", "unmatched parenthesis"),
        ("pre[%{WINDOWSMAC:x}]", "empty range"),
    ],
)
def test_what_is_refused_and_why(text: str, words: str) -> None:
    with pytest.raises(BadPattern) as refused:
        compile_groks([text], {**ECS, "LOOP": "a%{LOOP}"}, named_captures_only=True)

    assert words in str(refused.value)
    assert not refused.value.is_unsupported


def test_a_file_of_patterns_has_one_a_line() -> None:
    text = "# comment\nA \\d+\n\nB\t x y\r\nC  a # b\n  # indented\n"

    assert read_patterns(text) == {"A": r"\d+", "B": "x y", "C": "a # b"}


@pytest.mark.parametrize(
    ("text", "whole", "decimal"),
    [
        ("12", 12, 12.0),
        (" -3x", -3, -3.0),
        ("1.5ms", 1, 1.5),
        (".5", 0, 0.5),
        ("1e3", 1, 1000.0),
        ("1_000", 1000, 1000.0),
        ("abc", 0, 0.0),
        ("", 0, 0.0),
        ("-", 0, 0.0),
        ("5.", 5, 5.0),
        ("9" * 30, 10**30 - 1, 1e30),
    ],
)
def test_numbers_that_a_text_begins_with(text: str, whole: int, decimal: float) -> None:
    assert (to_whole(text), to_decimal(text)) == (whole, decimal)

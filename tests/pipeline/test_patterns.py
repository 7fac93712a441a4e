from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from ptingest.pipeline.patterns import Captures, Parser, matcher, number_of, take_apart
from ptingest.settings.profile import LINE_PIECE, PatternSettings
from tests.pipeline.events import MESSAGES
from tests.pipeline.reference import GROK
from tests.support.profile import shipped_profile

FUZZ = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))["grok_fuzz"]
PATTERNS = shipped_profile().groups[0].patterns


def parser(*, is_strict: bool = False) -> Parser:
    return Parser(PATTERNS, is_strict=is_strict)


def captures(message: str, *, is_strict: bool = False) -> dict[str, str] | None:
    parsed = parser(is_strict=is_strict).parse(message)
    return parsed and parsed.captures


@pytest.mark.parametrize("start", range(0, len(FUZZ), 300))
def test_captures_equal_those_of_real_grok(start: int) -> None:
    under_test = parser()

    for case in FUZZ[start : start + 300]:
        parsed = under_test.parse(case["message"])

        assert (parsed.captures if parsed else {}) == case["captures"], case["message"]


@settings(max_examples=300, deadline=None)
@given(message=MESSAGES)
def test_the_searches_find_what_a_backtracking_regex_finds(message: str) -> None:
    found = GROK[0].search(message) or GROK[1].search(message)

    expected = found and {name: text for name, text in found.groupdict().items() if text}
    assert captures(message) == expected


@pytest.mark.timeout(60)  # in quadratic time it would take hours
def test_a_hostile_message_takes_linear_time() -> None:
    hostile = "a|b\n" * 300_000

    assert captures(hostile) is None
    assert captures("INFO|" + "|2025-01-02T03:04:05.6x" * 50_000) is None


STRICT = {
    "a record on the second line": "noise\nINFO|root|2025-01-02T03:04:05.678|x",
    "a pipe in the logger": "INFO|a|b|2025-01-02T03:04:05.678|x",
    "a newline in the logger": "INFO|a\nb|2025-01-02T03:04:05.678|x",
}


@pytest.mark.parametrize("message", STRICT.values(), ids=STRICT.keys())
def test_strict_parsing_refuses_what_parity_finds_and_counts_as_loose(message: str) -> None:
    loose = parser().parse(message)

    assert loose is not None
    assert loose.is_loose
    assert captures(message, is_strict=True) is None


def test_a_stolen_record_is_whole_under_strict_parsing() -> None:
    message = "INFO|root|2025-01-02T03:04:05,678|at |2025-01-02T03:04:09.001|done"

    assert captures(message, is_strict=True) == {
        "log_level": "INFO",
        "logger_name": "root",
        "log_timestamp": "2025-01-02T03:04:05,678",
        "log_message": "at |2025-01-02T03:04:09.001|done",
    }


@pytest.mark.parametrize(
    ("shape", "message", "expected"),
    [
        pytest.param(
            {"regex": r"(?P<client>\S+) (?P<user>\S*) (?P<what>x)?"},
            "1.2.3.4  y",
            {"client": "1.2.3.4"},
            id="groups that are empty or took no part set nothing",
        ),
        pytest.param({"regex": "(?P<a>b)"}, "ab", None, id="a regex starts with the message"),
        pytest.param(
            {"json_keys": {"lvl": "level", "ms": "took", "ok": "is_ok", "user": "who"}},
            '{"lvl": "inf\\u006f", "ms": 1.50, "ok": true, "user": {"id": 1}, "more": 1}',
            {"level": "info", "took": "1.50", "is_ok": "true"},
            id="of a JSON object the keys asked for, objects left out",
        ),
        pytest.param({"json_keys": {"a": "x"}}, '{"b": 1}', None, id="none of the keys"),
        pytest.param({"json_keys": {"a": "x"}}, '{"a": null}', None, id="nothing in the key"),
        pytest.param({"json_keys": {"a": "x"}}, '{"a": "b"', None, id="broken JSON"),
        pytest.param({"json_keys": {"a": "x"}}, "[1]", None, id="JSON that is no object"),
        pytest.param({"json_keys": {"a": "x"}}, '{"a": "\\ud800"}', None, id="half a character"),
        pytest.param(
            {"line": "[{timestamp:at}] {word:level} {data:who}: {rest:text}"},
            "noise\n[2025-01-02 03:04:05] INFO a:b: c: d",
            {"at": "2025-01-02 03:04:05", "level": "INFO", "who": "a:b", "text": "c: d"},
            id="a line may begin with text and have other delimiters",
        ),
        pytest.param(
            {"line": "{data:a};{data:b};{int:n};{rest:c}"},
            "x;y;z;-5;end",
            {"a": "x", "b": "y;z", "n": "-5", "c": "end"},
            id="two lazy pieces take as little as they can",
        ),
    ],
)
def test_other_shapes(shape: dict[str, Any], message: str, expected: dict[str, str] | None) -> None:
    pattern = matcher(PatternSettings(name="other", **shape), is_strict=False)

    assert pattern.match(message) == expected


# --- the searches without the first passes -------------------------------------------------


def plainly_found(line: str, message: str) -> Captures | None:
    """The head at the first line start that has one, then each anchor after the one before."""
    pieces = take_apart(line)
    found = re.compile("^" + pieces.head, re.MULTILINE).search(message)
    if found is None:
        return None
    texts = list(found.groups())
    position = found.end()
    for anchor in pieces.anchors:
        found = re.compile(anchor).search(message, position)
        if found is None:
            return None
        texts += [message[position : found.start()], *found.groups()]
        position = found.end()
    return named(line, [*texts, message[position:]])


def strictly_found(line: str, message: str) -> Captures | None:
    pieces = take_apart(line)
    between = zip(pieces.delimiters, pieces.anchors, strict=True)
    stretches = "".join(f"([^\\n{re.escape(end)}]*){anchor}" for end, anchor in between)
    found = re.compile(f"{pieces.head}{stretches}(.*)", re.DOTALL).fullmatch(message)
    return found and named(line, found.groups())


def named(line: str, texts: Sequence[str]) -> Captures:
    names = [name for _, name in LINE_PIECE.findall(line)]
    return {name: text for name, text in zip(names, texts, strict=True) if text}


FIXED = st.sampled_from(["word", "data", "data", "int", "timestamp"])
BETWEEN = st.sampled_from(["|", ".", " ", "_x", "-", "\n", "] [", "a", "5", "||", "^"])
ALPHABET = "|. _x-\n][a5^:TZ2"
ODDS = st.one_of(
    st.sampled_from(["2025-01-02T03:04:05", "25-1-2 3:04", "INFO", "a_x", "55", "-5", "\n"]),
    st.text(ALPHABET, max_size=4),
)


@st.composite
def lines(draw: st.DrawFn) -> str:
    kinds = draw(st.lists(FIXED, max_size=4))
    line = draw(st.one_of(st.just(""), BETWEEN))
    for number, kind in enumerate(kinds):
        line += f"{{{kind}:f{number}}}{draw(BETWEEN)}"
    return line + "{rest:end}"


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], str]:
    """Patterns, and a message made of the texts that they match, complete or not."""
    found = draw(st.lists(lines(), min_size=1, max_size=3))
    parts: list[str] = []
    for line in draw(st.lists(st.sampled_from(found), min_size=1, max_size=3)):
        for token in re.split(r"(\{\w+:\w+\})", line):
            is_odd = token.startswith("{") or draw(st.integers(0, 9)) == 0
            parts.append(draw(ODDS) if is_odd else token)
        parts.append(draw(st.sampled_from(["", "\n", "|"])))
    return found, "".join(parts)


@pytest.mark.timeout(60)
@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_looking_for_what_must_be_there_first_changes_no_answer(
    case: tuple[list[str], str],
) -> None:
    found, message = case
    patterns = [PatternSettings(name=str(at), line=line) for at, line in enumerate(found)]

    strict = [captures for line in found if (captures := strictly_found(line, message)) is not None]
    plain = [
        (captures, str(at), [captures] != strict[:1])
        for at, line in enumerate(found)
        if (captures := plainly_found(line, message)) is not None
    ]
    parsed = Parser(patterns, is_strict=False).parse(message)
    assert (parsed and tuple(parsed)[:3]) == (plain[0] if plain else None)
    strictly = Parser(patterns, is_strict=True).parse(message)
    assert (strictly and strictly.captures) == (strict[0] if strict else None)


@settings(max_examples=200, deadline=None)
@given(message=st.one_of(MESSAGES, st.text(ALPHABET + '{"', max_size=12)))
def test_patterns_of_all_kinds_answer_in_their_order(message: str) -> None:
    patterns = [
        *PATTERNS,
        PatternSettings(name="object", json_keys={"a": "x"}),
        PatternSettings(name="words", regex=r"(?P<first>\w+)[ |]"),
    ]
    each = [(one.name, matcher(one, is_strict=False).match(message)) for one in patterns]
    expected = next(((name, found) for name, found in each if found is not None), None)

    parsed = Parser(patterns, is_strict=False).parse(message)

    assert (parsed and (parsed.pattern, parsed.captures)) == expected


# --- other values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("200", b"200"), ("0", b"0"), ("-5", b"-5"), ("1.50", b"1.50"), ("2e3", b"2e3"),
        ("007", b"7"), ("+7", b"7"), ("12345678901234567890", b"12345678901234567890"),
        ("-", None), ("", None), ("1.", None), ("0x10", None), ("NaN", None), ("1 ", None),
        ("1e9999", None), ("9" * 41, None), ("\u0661", None),
    ],
)  # fmt: skip
def test_a_number_is_what_json_calls_one_or_a_whole_one(text: str, number: bytes | None) -> None:
    found = number_of(text)

    assert (found and bytes(found)) == number


def test_numbers_take_the_place_of_their_texts_and_others_are_left_out() -> None:
    pattern = PatternSettings(name="p", regex=r"(?P<a>\S+) (?P<b>\S+) (?P<c>\S+)")

    parsed = Parser([pattern], is_strict=False, numbers=("a", "b")).parse("1 - 2")

    assert parsed is not None
    assert parsed.captures == {"a": "1", "b": "-", "c": "2"}
    assert parsed.values == {"a": Raw(b"1"), "c": "2"}


@pytest.mark.parametrize("is_strict", [False, True])
def test_translated_values_are_replaced_and_others_stay(is_strict: bool) -> None:
    pattern = PatternSettings(
        name="p",
        line="{word:level}|{data:logger}|{rest:text}",
        translate={"level": {"warn": "WARNING"}},
    )
    parser = Parser([pattern], is_strict=is_strict)

    warned, told = parser.parse("warn|a|b"), parser.parse("note|a|b")

    assert warned is not None
    assert told is not None
    assert (warned.captures["level"], told.captures["level"]) == ("WARNING", "note")
    assert not warned.is_loose

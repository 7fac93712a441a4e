from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from ptingest.pipeline.patterns import Parser, matcher
from ptingest.settings.profile import PatternSettings
from tests.pipeline.conftest import shipped_profile
from tests.pipeline.events import MESSAGES
from tests.pipeline.reference import GROK

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


@pytest.mark.timeout(5)
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

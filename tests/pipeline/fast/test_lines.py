from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from ptingest.pipeline.fast.lines import FINE, NO_DATE, LineReader, ParsedLine
from ptingest.pipeline.group import Group
from tests.pipeline.events import MESSAGES
from tests.support.profile import shipped_profile


def reader(**changes: Any) -> LineReader:
    profile = shipped_profile(**changes)
    return LineReader(Group(profile.groups[0], profile))


def read(under_test: LineReader, message: str, *, ensure_ascii: bool = False) -> ParsedLine:
    return ParsedLine(*under_test.read(json.dumps(message, ensure_ascii=ensure_ascii).encode()))


def fields(line: ParsedLine) -> dict[str, str]:
    found: dict[str, str] = json.loads(b"{" + line.fields[1:] + b"}")
    return found


@pytest.mark.parametrize("precision", ["parity", "full"])
def test_the_split_agrees_with_the_searches(precision: str) -> None:
    under_test = reader(timestamp_precision=precision)

    @settings(max_examples=400, deadline=None)
    @given(message=MESSAGES)
    def agree(message: str) -> None:
        line = read(under_test, message)
        searched = ParsedLine(*under_test._searched(json.dumps(message).encode()))

        assert fields(line) == fields(searched)
        assert (line.state, line.printed, line.framed_time) == (
            searched.state, searched.printed, searched.framed_time
        )  # fmt: skip
        assert (line.millis, line.is_loose) == (searched.millis, searched.is_loose)

    agree()


STEALING = {
    "in the rest": "INFO|root|2025-01-02T03:04:05,678|at |2025-01-02T03:04:09.001|x",
    "right at the third pipe": "INFO|root|2025-01-02T03:04:05,678|2025-01-02T03:04:09.001|x",
    "with a short year": "INFO|root|2025-01-02T03:04:05Z|x|25-1-2T3:04.5|y",
}


@pytest.mark.parametrize("escape", [b"|x", b"\\u007cx", b"\\u007Cx"])
@pytest.mark.parametrize("message", STEALING.values(), ids=STEALING.keys())
def test_a_later_dotted_time_steals_the_record_as_in_grok(message: str, escape: bytes) -> None:
    raw = json.dumps(message).encode()
    raw = raw[:40] + raw[40:].replace(b"|x", escape)

    line = ParsedLine(*reader().read(raw))

    assert fields(line)["logger_name"].startswith("root|2025-01-02T03:04:05")
    assert line.is_loose


@pytest.mark.parametrize(
    ("message", "state", "printed"),
    [
        ("INFO|root|2025-01-02T03:04:05.678|x", FINE, b"2025-01-02T03:04:05.000Z"),
        ("INFO|root|2025-01-02 03:04:05,678|x", FINE, b"2025-01-02T03:04:05.678Z"),
        ("INFO|root|2025-01-02 03:04:05.678|x", NO_DATE, b""),
        ("INFO|root|2025-01-02 03:04:05|x", NO_DATE, b""),
    ],
)
def test_times_are_printed_without_being_computed(message: str, state: int, printed: bytes) -> None:
    line = read(reader(), message)

    assert (line.state, line.printed) == (state, printed)


def test_other_patterns_leave_every_line_to_the_searches() -> None:
    groups = shipped_profile().model_dump(exclude_none=True)["groups"]
    groups[0]["patterns"] = [{"name": "a", "line": "{word:log_level}/{rest:log_message}"}]

    line = read(reader(groups=groups), "INFO/root|2025-01-02T03:04:05.678|x")

    assert fields(line)["log_message"] == "root|2025-01-02T03:04:05.678|x"

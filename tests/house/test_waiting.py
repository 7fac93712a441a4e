"""Tests wait for something to be so, and not for time to pass; see ``tests.support.waiting``."""

from __future__ import annotations

import re

import pytest

from tests.support.modules import TESTS

SLEEP = re.compile(r"\bsleep\(")
REASON = "no race: "
"""Beside a sleep, or on the line above it: why nothing can be too late, or too early, for it."""
HELPERS = {"support/waiting.py", "house/test_waiting.py"}


def sleeps_without_a_reason(text: str) -> list[str]:
    lines = ["", *text.splitlines()]
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(lines)
        if SLEEP.search(line) and REASON not in line and REASON not in lines[number - 1]
    ]


def test_a_test_sleeps_only_where_nothing_races_with_it() -> None:
    found = {
        path.relative_to(TESTS.parent).as_posix(): sleeps
        for path in TESTS.rglob("*.py")
        if path.relative_to(TESTS).as_posix() not in HELPERS
        and (sleeps := sleeps_without_a_reason(path.read_text(encoding="utf-8")))
    }

    assert found == {}, "await an event, look with `until`, or say why as `# no race: ...`"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("await asyncio.sleep(0.01)", 1),
        ("    time.sleep(PAUSE_SECONDS)  # long enough", 1),
        ("await asyncio.sleep(0)\nawait asyncio.sleep(1)  # no race: virtual time", 1),
        ("# no race: any moment will do\nawait asyncio.sleep(0.01)", 0),
        ("await until(lambda: server.is_asleep(1))", 0),
    ],
)
def test_a_sleep_without_a_reason_is_found(text: str, count: int) -> None:
    assert len(sleeps_without_a_reason(text)) == count

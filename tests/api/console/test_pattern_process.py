"""The program that tries one pattern."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from ptingest.api.console.pattern_process import read_pattern


def tried(kind: str, text: str, *lines: str) -> list[dict[str, Any]]:
    question = {"kind": kind, "text": text, "is_strict": False, "lines": lines}
    done = subprocess.run(
        [sys.executable, "-m", "ptingest.api.console.pattern_process"],
        input=json.dumps(question).encode(), capture_output=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(30)  # a process
def test_each_line_is_answered_with_its_fields_or_what_it_lacks() -> None:
    fits, does_not = tried("line", "{word:level}|{rest:text}", "INFO|hello", "hello")

    assert fits == {"fields": {"level": "INFO", "text": "hello"}, "missing": None}
    assert does_not == {"fields": None, "missing": "`|`"}


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("line", "{word:level}", "must end with {rest:x}"),
        ("regex", "(", "does not compile"),
        ("regex", "a+", "names no group"),
        ("json_keys", "{level: [", "no keys"),
        ("json_keys", "level", "valid dictionary"),
        ("line", "{word:group}|{rest:x}", "not a pattern's to set"),
    ],
)
def test_a_pattern_that_breaks_a_rule_of_the_profile_is_told_which(
    kind: str, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read_pattern(kind, text)


def test_keys_are_written_as_in_the_profile() -> None:
    assert read_pattern("json_keys", "{level: log_level}").json_keys == {"level": "log_level"}

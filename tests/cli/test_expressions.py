from __future__ import annotations

import pytest

from ptingest.cli.expressions import LINE_CHARACTERS, hostile_lines, look_at_expression
from ptingest.settings.profile import PatternSample, PatternSettings


def pattern(regex: str, *lines: str) -> PatternSettings:
    samples = tuple(PatternSample(line=line) for line in lines)
    return PatternSettings(name="own", regex=regex, samples=samples)


def test_hostile_lines_begin_as_the_samples_do_and_are_long() -> None:
    lines = hostile_lines(pattern(r"(?P<a>\S+),", "abc,def"))

    assert all(len(line) >= LINE_CHARACTERS for line in lines)
    assert any(line.startswith("abc,,,,") and line.endswith(",def") for line in lines)
    assert any(line.startswith("abc,,,,") and line.endswith("!\n\n") for line in lines)
    assert any(line.startswith("abc,defabc,def") for line in lines)


@pytest.mark.timeout(60)  # a process
def test_lines_that_take_too_long_are_ended_and_said() -> None:
    mark, said, cure = look_at_expression(pattern("(?P<a>a+)"), seconds=-1.0)

    assert mark == "warning"
    assert "ended after" in said
    assert cure


@pytest.mark.timeout(60)  # a process
def test_a_process_that_does_not_answer_is_ended() -> None:
    assert look_at_expression(pattern("(?P<a>a+)"), start_seconds=0.0)[0] == "warning"

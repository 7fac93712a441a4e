"""Lines and patterns that somebody tries."""

from __future__ import annotations

import pytest

from ptingest.api.console.dry_run import LINES, DryRun
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.load import load_profile

GOOD = "INFO|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 created"


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return compile_profile(load_profile(packaged_profile_path(), {}))


@pytest.fixture(scope="module")
def dry_run(pipeline: Pipeline) -> DryRun:
    return DryRun(lambda: pipeline)


async def test_a_line_is_shown_at_every_stop(dry_run: DryRun) -> None:
    (stops,) = (await dry_run.try_lines(GOOD, service="django", multiline=True)).stops

    assert stops.explained.outcome == "indexed"
    assert stops.explained.data_stream == "logs-django-pt"
    assert [(pattern.name, pattern.outcome) for pattern in stops.patterns] == [
        ("dotted_milliseconds", "fits")
    ]


async def test_each_pattern_that_does_not_fit_says_what_the_line_lacks(dry_run: DryRun) -> None:
    (stops,) = (await dry_run.try_lines("INFO|apps", service="django", multiline=True)).stops

    assert [pattern.outcome for pattern in stops.patterns] == ["lacks `|`", "lacks `|`"]
    assert "grok_failure" in stops.explained.notes


async def test_lines_are_joined_only_when_asked_for(dry_run: DryRun) -> None:
    text = f"{GOOD}\r\nTraceback\r\n\r\n{GOOD}"

    joined = await dry_run.try_lines(text, service="django", multiline=True)
    apart = await dry_run.try_lines(text, service="django", multiline=False)

    assert [len(tried.stops) for tried in (joined, apart)] == [2, 3]
    assert joined.stops[0].message.endswith("\nTraceback")


async def test_what_is_too_much_is_left_out_and_counted(dry_run: DryRun) -> None:
    tried = await dry_run.try_lines("\n".join([GOOD] * 60), service="django", multiline=True)

    assert (len(tried.stops), tried.left_out) == (LINES, 10)


async def test_any_text_may_be_tried(dry_run: DryRun) -> None:
    tried = await dry_run.try_lines("\ud800\x00 <script>", service="\ud800", multiline=False)

    assert len(tried.stops) == 1


@pytest.mark.timeout(30)  # a process
async def test_a_pattern_is_tried_on_each_line(dry_run: DryRun) -> None:
    tried = await dry_run.try_pattern(
        "regex", r"(?P<status>\d{3}) ", lines="200 ok\nnothing", multiline=False
    )

    assert tried.lines == [("200 ok", {"status": "200"}, None), ("nothing", None, None)]
    assert (tried.problem, tried.cut_at) == (None, None)


@pytest.mark.timeout(30)
async def test_a_pattern_that_breaks_a_rule_is_told(dry_run: DryRun) -> None:
    tried = await dry_run.try_pattern("regex", "(", lines="x", multiline=False)

    assert tried.problem is not None
    assert "does not compile" in tried.problem
    assert tried.lines == []


@pytest.mark.timeout(60)
async def test_a_pattern_that_would_backtrack_for_ever_is_tried_on_every_line(
    dry_run: DryRun,
) -> None:
    tried = await dry_run.try_pattern(
        "regex", r"(?P<x>(a+)+)$", lines=f"aaa\n{'a' * 60}!", multiline=False
    )

    assert tried.lines == [("aaa", {"x": "aaa"}, None), ("a" * 60 + "!", None, None)]
    assert tried.cut_at is None


async def test_a_pattern_whose_time_is_up_is_ended_and_the_line_named(
    pipeline: Pipeline,
) -> None:
    dry_run = DryRun(lambda: pipeline, pattern_seconds=0.0)

    tried = await dry_run.try_pattern("regex", "(?P<x>a)", lines="a", multiline=False)

    assert (tried.lines, tried.cut_at) == ([], 1)


@pytest.mark.timeout(60)
async def test_a_pattern_that_wants_all_memory_does_not_get_it(dry_run: DryRun) -> None:
    tried = await dry_run.try_pattern(
        "regex", r"(?P<x>(((a{1,999}){1,999}){1,999}){1,99})", lines="a", multiline=False
    )

    assert tried.problem or tried.cut_at or tried.lines


def test_the_patterns_in_force_are_shown_as_the_profile_has_them(dry_run: DryRun) -> None:
    names = [(pattern.name, pattern.kind) for pattern in dry_run.patterns()]

    assert names == [("dotted_milliseconds", "line"), ("plain_time", "line")]
    assert "django" in dry_run.services()

"""What is known of a sink comes from writes and from health checks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ptingest.delivery.batch import batch_of
from ptingest.delivery.isolation import SLOW_SECONDS
from tests.delivery.lane_parts import LaneParts
from tests.fakes.clock import LoopClock, ManualClock, run_in_virtual_time
from tests.fakes.sink import Window


def test_a_trouble_is_logged_once_and_so_is_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    health = LaneParts(ManualClock(), tmp_path).health

    for trouble in (None, "no node answers", "no node answers", None, None):
        health.note_trouble(trouble)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert health.trouble is None


def test_documents_that_wait_without_an_answer_ask_for_a_health_check(tmp_path: Path) -> None:
    parts = LaneParts(ManualClock(), tmp_path)
    before = parts.health.has_unanswered

    batch = batch_of(Window().documents(2), 0.0)
    batch.unanswered = 1
    parts.retries.again.add(batch)

    assert (before, parts.health.has_unanswered) == (False, True)
    assert parts.health.outstanding == 2


def test_a_health_check_that_succeeds_ends_the_writes_that_are_silent(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = LoopClock()
        parts = LaneParts(clock, tmp_path)
        parts.sink.hold()
        batch, began = batch_of(Window().documents(2), 0.0), clock.monotonic()
        parts.attempts.begin(batch)
        writing = asyncio.create_task(parts.attempts.write(batch, began, frozenset()))
        await asyncio.sleep(SLOW_SECONDS)  # no race: virtual time

        silent = parts.health.has_unanswered
        parts.health.note_healthy(clock.monotonic())
        written = await writing

        assert silent
        assert written.outcomes.doubtful == batch.documents

    run_in_virtual_time(scenario())

"""A write brings an outcome for each document, whatever the sink does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ptingest.delivery.batch import Batch, batch_of
from ptingest.delivery.isolation import SLOW_SECONDS
from ptingest.model.outcome import WriteResult
from tests.delivery.lane_parts import LaneParts
from tests.fakes.clock import LoopClock, ManualClock, run_in_virtual_time
from tests.fakes.sink import ScriptedSink, Window

NOW = 100.0


def make(directory: Path, *script: WriteResult | Exception) -> tuple[LaneParts, Batch]:
    parts = LaneParts(ManualClock(monotonic=NOW), directory, ScriptedSink(*script))
    batch = batch_of(Window().documents(3), NOW)
    parts.attempts.begin(batch)
    return parts, batch


async def test_an_answer_is_sorted_and_counted(tmp_path: Path) -> None:
    parts, batch = make(tmp_path)

    written = await parts.attempts.write(batch, NOW - 2, frozenset(batch.documents[:1]))

    assert written.outcomes.stored == batch.documents
    assert written.at == NOW
    assert parts.sink.writes[0].doubtful == {batch.documents[0]}
    assert parts.metrics.value("ptingest_lane_batches_total", "fake") == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(RuntimeError("a bug"), id="an exception"),
        pytest.param(WriteResult(busy=Window().documents(1)), id="a document that was not sent"),
    ],
)
async def test_what_cannot_be_believed_leaves_all_in_doubt(
    answer: WriteResult | Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts, batch = make(tmp_path, answer)

    written = await parts.attempts.write(batch, NOW, frozenset())

    assert written.outcomes.doubtful == batch.documents
    assert not written.outcomes.has_answers
    assert "a write raised an unexpected exception (a bug)" in caplog.text


async def test_a_batch_is_in_flight_until_its_end_also_when_its_write_is_cancelled(
    tmp_path: Path,
) -> None:
    parts, batch = make(tmp_path)
    parts.sink.hold()
    task = asyncio.create_task(parts.attempts.write(batch, NOW, frozenset()))
    await parts.sink.wait_for_writes(1)

    task.cancel()
    await asyncio.wait([task])
    after_cancel = set(parts.attempts.in_flight)
    parts.attempts.end(batch)

    assert after_cancel == {batch}
    assert parts.attempts.in_flight == set()


def test_a_write_that_is_silent_while_a_later_one_is_answered_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = LoopClock()
        parts = LaneParts(clock, tmp_path)
        parts.sink.hold()
        batch, began = batch_of(Window().documents(3), 0.0), clock.monotonic()
        parts.attempts.begin(batch)
        writing = asyncio.create_task(parts.attempts.write(batch, began, frozenset()))
        await parts.sink.wait_for_writes(1)

        await asyncio.sleep(2)  # no race: virtual time
        parts.attempts.note_answer(began + 1, began + 2)
        written = await writing

        assert written.at - began == pytest.approx(SLOW_SECONDS)
        assert "although other writes were answered" in str(written.result.trouble)

    run_in_virtual_time(scenario())


async def test_batches_without_an_answer_are_known(tmp_path: Path) -> None:
    parts, batch = make(tmp_path)
    before = parts.attempts.has_unanswered

    batch.unanswered = 1

    assert (before, parts.attempts.has_unanswered) == (False, True)

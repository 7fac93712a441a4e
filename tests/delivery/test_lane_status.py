"""What a lane says of itself to operators is true while it lasts, and no longer."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from ptingest.model.outcome import Refusal, WriteResult
from tests.delivery.running_lane import lane_settings, running_lane
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import CELERY, ScriptedSink, Window, Write, refuse


def template_missing(write: Write) -> WriteResult:
    return WriteResult(stream_busy=refuse(write.documents, "template_missing"))


def test_trouble_is_shown_while_it_lasts_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        down = [lambda w: WriteResult(busy=w.documents, trouble="no node answers")] * 6
        async with running_lane(ScriptedSink(*down), tmp_path) as r:
            window = await r.send(5)
            await r.sink.wait_for_writes(5)
            r.metrics.refresh()
            during = r.lane.status.trouble
            in_trouble = r.metrics.value("ptingest_lane_is_in_trouble", "fake")
            await window.done.wait()
            r.metrics.refresh()

            assert (during, in_trouble) == ("no node answers", 1)
            assert r.lane.status.trouble is None
            assert r.metrics.value("ptingest_lane_is_in_trouble", "fake") == 0

    run_in_virtual_time(scenario())
    assert caplog.text.count("no node answers") == 1
    assert caplog.text.count("takes documents again") == 1


def test_a_stream_in_trouble_is_told_beside_the_sinks_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(
            lambda write: WriteResult(
                stream_busy=[Refusal(one, "forbidden", "no") for one in write.documents]
            )
        )
        async with running_lane(sink, tmp_path) as r:
            await r.send(2)
            await sink.wait_for_writes(1)
            await asyncio.sleep(0)  # no race: virtual time

            assert r.lane.status.trouble is None
            assert r.lane.status.stream_troubles == ["logs-django-pt: forbidden: no"]

    run_in_virtual_time(scenario())


def test_status_says_where_documents_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=10, concurrency=1)
        async with running_lane(sink, tmp_path, settings=settings) as r:
            sink.hold()
            await r.send(15, service="nginx")
            await sink.wait_for_writes(1)
            await asyncio.sleep(2)  # no race: virtual time
            status = r.lane.status.row()
            r.metrics.refresh()

            assert status["in_flight"] == 1
            assert status["waiting_documents"] == 5
            assert status["oldest_seconds"] == pytest.approx(2, abs=0.1)
            assert r.lane.status.outstanding_by_service() == {"nginx": 15}
            assert r.metrics.value("ptingest_lane_waiting_documents", "fake") == 5
            assert r.metrics.value("ptingest_lane_in_flight", "fake") == 1
            sink.let_go()

    run_in_virtual_time(scenario())


def test_under_full_load_more_and_larger_batches_go_out_and_status_says_why(
    tmp_path: Path,
) -> None:
    chance = random.Random(1)  # no two answers come at the same moment

    async def slowly(write: Write) -> WriteResult:
        # However large: what is in flight decides.
        await asyncio.sleep(0.3 + chance.random() / 100)  # no race: virtual time
        return WriteResult()

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=slowly)
        settings = lane_settings(documents=8192, size=8 << 20, concurrency=16)
        async with running_lane(sink, tmp_path, settings=settings, budget_bytes=1 << 30) as r:
            window, until, body = Window(), r.clock.monotonic() + 20, bytes(128 << 10)
            before = r.lane.status.row()["tuning"]
            while r.clock.monotonic() < until:
                documents = window.documents(4, body=body)
                r.budget.charge(sum(document.cost for document in documents))
                await r.lane.put(documents)
            status: Any = r.lane.status.row()
            r.metrics.refresh()
            settled = await r.lane.drain(r.clock.monotonic() + 60)

            assert before["found"] == {
                "concurrency": 4,
                "max_documents": 1024,
                "max_bytes": 1 << 20,
            }
            found = status["tuning"]["found"]
            assert found["concurrency"] * found["max_bytes"] >= 4 * (4 << 20)
            assert "times the bytes a second of" in status["tuning"]["why"]
            assert status["tuning"]["baseline_write_seconds"] == pytest.approx(0.3, abs=0.1)
            assert r.metrics.value("ptingest_lane_tuning_changes_total", "fake") >= 2
            assert r.metrics.value("ptingest_lane_full_load_bytes_per_second", "fake") > 1e7
            assert settled == 0

    run_in_virtual_time(scenario())


def test_a_streams_trouble_leaves_readiness_when_its_documents_are_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(otherwise=template_missing)
        async with running_lane(sink, tmp_path, settings=lane_settings(patience=10)) as r:
            window = await r.send(1, data_stream=CELERY)
            await asyncio.sleep(5)  # no race: virtual time
            during = r.lane.status.stream_troubles
            await window.done.wait()

            assert len(during) == 1
            assert r.lane.status.stream_troubles == []
            (row,) = r.lane.status.row()["troubled_streams"]  # type: ignore[misc]
            assert row["is_open"]  # type: ignore[index]

    run_in_virtual_time(scenario())


def test_a_streams_trouble_leaves_readiness_when_others_are_stored(tmp_path: Path) -> None:
    def celery_waits(write: Write) -> WriteResult:
        waiting = [one for one in write.documents if one.target == CELERY]
        return WriteResult(stream_busy=[Refusal(one, "forbidden", "no") for one in waiting])

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=celery_waits)
        async with running_lane(sink, tmp_path) as r:
            await r.send(1, data_stream=CELERY)
            await sink.wait_for_writes(1)
            await asyncio.sleep(0.01)  # no race: virtual time
            before = r.lane.status.stream_troubles
            other = await r.send(1)
            await other.done.wait()

            assert before == ["logs-celery-pt: forbidden: no"]
            assert r.lane.status.stream_troubles == []
            (row,) = r.lane.status.row()["troubled_streams"]  # type: ignore[misc]
            assert row["held_documents"] == 1  # type: ignore[index]

    run_in_virtual_time(scenario())

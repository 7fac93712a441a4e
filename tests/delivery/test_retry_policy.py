"""Whatever an item's status is, its document is settled in bounded time while others pass."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.dead_letters.queue import read_letters
from ptingest.delivery.retry_policy import ASK_AGAIN_SECONDS
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, WriteResult
from ptingest.sinks.elasticsearch.answer import Answer as HttpAnswer
from ptingest.sinks.elasticsearch.bulk import read_answer
from tests.delivery.chaos import assert_books_balance
from tests.delivery.running_lane import RunningLane, lane_settings, running_lane
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import CELERY, Answer, ScriptedSink, Window, Write, fates

PATIENCE = 30.0
OURS = {"x-elastic-product": "Elasticsearch"}
TYPES = st.sampled_from(
    [
        "fail_processor_exception",
        "null_pointer_exception",
        "es_rejected_execution_exception",
        "cluster_block_exception",
        "unavailable_shards_exception",
        "i_o_exception",
        "illegal_state_exception",
        "version_conflict_engine_exception",
        "index_closed_exception",
        "security_exception",
        "an_exception_of_tomorrow",
        "",
    ]
)
ITEMS = st.fixed_dictionaries(
    {"status": st.integers(200, 599)},
    optional={
        "error": st.fixed_dictionaries({}, optional={"type": TYPES, "reason": st.text(max_size=9)}),
        "failure_store": st.sampled_from(["used", "not_enabled", "failed"]),
    },
)
BAD = b'{"bad":%d}'


def answering(items: list[dict[str, Any]]) -> Any:
    """A sink whose n-th bad document always has the n-th item, and all others 201."""

    def answer(write: Write) -> Answer:
        creates: list[dict[str, Any]] = []
        for document in write.documents:
            body = json.loads(document.body)
            item = items[body["bad"]] if "bad" in body else {"status": 201}
            creates.append({"create": item})
        body = json.dumps({"errors": True, "items": creates}).encode()
        return read_answer(write.documents, HttpAnswer(200, OURS, body), keyed=True).result

    return answer


async def others_pass(r: RunningLane, seconds: int, *, count: int = 5) -> None:
    """Send a window of good documents each second, as Beats do."""
    for _ in range(seconds):
        await r.send(count)
        await asyncio.sleep(1)  # no race: virtual time


@pytest.mark.timeout(60)
@given(st.lists(ITEMS, min_size=1, max_size=5), st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_status_of_an_item_ends_while_others_of_its_stream_pass(
    items: list[dict[str, Any]], is_alone: bool
) -> None:
    async def scenario(folder: Path) -> None:
        sink = ScriptedSink(otherwise=answering(items))
        chosen = lane_settings(patience=PATIENCE)
        async with running_lane(sink, folder, settings=chosen) as r:
            window = r.window()
            for number in range(len(items)):
                await r.put(window.documents(1, body=BAD % number))
            if not is_alone:
                await r.put(window.documents(3))
            window.receipt.seal()
            r.lane.hint_idle()
            # A stream's trouble may begin anew once; the share of its documents is small.
            await others_pass(r, round(4 * PATIENCE))

            assert window.is_acked
            assert_books_balance(r)
            bad = sum(any(b'"bad"' in d.body for d in w.documents) for w in sink.writes)
            assert bad < 400

    with tempfile.TemporaryDirectory() as folder:
        run_in_virtual_time(scenario(Path(folder)))


def test_one_poisoned_document_waits_alone_and_its_letter_names_the_pipeline(
    tmp_path: Path,
) -> None:
    item = {"status": 500, "error": {"type": "fail_processor_exception", "reason": "no tenant"}}

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=answering([item]))
        async with running_lane(sink, tmp_path, settings=lane_settings(patience=PATIENCE)) as r:
            began = r.clock.monotonic()
            poisoned = r.window()
            await r.put(poisoned.documents(3) + poisoned.documents(1, body=BAD % 0))
            poisoned.receipt.seal()
            traffic = asyncio.create_task(others_pass(r, 60))
            await poisoned.done.wait()
            took = r.clock.monotonic() - began
            troubles = (r.lane.status.trouble, r.lane.status.stream_troubles)
            await traffic

            assert poisoned.is_acked
            assert PATIENCE <= took < PATIENCE + 5
            assert troubles == (None, [])
            (stored,) = read_letters(tmp_path)
            assert stored.letter.reason == "ingest_pipeline"
            assert "no tenant" in stored.letter.detail
            assert "ingest pipeline" in stored.letter.detail
            assert "shard" not in stored.letter.detail

    run_in_virtual_time(scenario())


def test_a_pipeline_that_fails_a_whole_stream_is_the_streams_trouble(tmp_path: Path) -> None:
    item = {"status": 500, "error": {"type": "illegal_state_exception", "reason": "no [p]"}}

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=answering([item]))
        async with running_lane(sink, tmp_path, settings=lane_settings(patience=PATIENCE)) as r:
            bad = await r.send(50, data_stream=CELERY, body=BAD % 0)
            await sink.wait_for_writes(1)
            await others_pass(r, 5)
            (held,) = r.lane.status.row()["troubled_streams"]  # type: ignore[misc]
            await bad.done.wait()

            assert "ingest_pipeline" in held["reason"]  # type: ignore[index]
            assert fates(r.metrics)[Fate.DEAD_LETTERED] == 50
            assert r.lane.status.stream_troubles == []

    run_in_virtual_time(scenario())


def test_what_an_ingest_pipeline_drops_is_dropped_in_the_books(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(otherwise=answering([{"status": 200}]))
        async with running_lane(sink, tmp_path) as r:
            window = r.window()
            await r.put(window.documents(3) + window.documents(2, body=BAD % 0))
            window.receipt.seal()
            r.lane.hint_idle()
            await window.done.wait()

            assert fates(r.metrics) == {Fate.STORED: 3, Fate.DROPPED: 2}
            dropped = "ptingest_flow_dropped_events_total"
            assert r.metrics.value(dropped, "django", "ingest_pipeline") == 2

    run_in_virtual_time(scenario())


def without_answer(write: Write) -> bool:
    return any(b"bad" in document.body for document in write.documents)


async def silent(write: Write) -> Answer:
    """As Elasticsearch with a failure store does for what it cannot read."""
    if without_answer(write):
        await asyncio.Event().wait()
    return WriteResult()


def reset(write: Write) -> Answer:
    if without_answer(write):
        return WriteResult(doubtful=write.documents, trouble="connection reset by peer")
    return WriteResult()


@pytest.mark.parametrize("behaviour", [silent, reset], ids=["silent", "reset"])
def test_the_one_document_nobody_answers_stands_alone_and_its_neighbours_are_settled_soon(
    behaviour: Any, tmp_path: Path
) -> None:
    async def scenario() -> None:
        chosen = lane_settings(documents=1000, patience=PATIENCE)
        async with running_lane(ScriptedSink(otherwise=behaviour), tmp_path, settings=chosen) as r:
            began = r.clock.monotonic()
            window = r.window()
            await r.put(window.documents(400))
            await r.put(window.documents(1, body=BAD % 0))
            await r.put(window.documents(400))
            window.receipt.seal()
            r.lane.hint_idle()
            traffic = asyncio.create_task(others_pass(r, 120))
            while r.lane.outstanding > 6:
                await asyncio.sleep(0.5)  # no race: virtual time
            innocent = r.clock.monotonic() - began
            await window.done.wait()
            took = r.clock.monotonic() - began
            trouble = r.lane.status.trouble
            await traffic

            assert innocent < 25
            assert PATIENCE <= took < PATIENCE + 60
            assert trouble is None
            assert [s.letter.reason for s in read_letters(tmp_path)] == ["unanswered"]
            assert all(one.is_acked for one in r.windows)

    run_in_virtual_time(scenario())


def test_documents_nobody_answers_never_keep_the_slots_of_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        chosen = lane_settings(documents=1, concurrency=4, patience=PATIENCE)
        async with running_lane(ScriptedSink(otherwise=silent), tmp_path, settings=chosen) as r:
            for _ in range(4):
                await r.send(1, body=BAD % 0)
            await asyncio.sleep(6)  # no race: virtual time
            waits = []
            for _ in range(20):
                began = r.clock.monotonic()
                window = await r.send(1)
                await window.done.wait()
                waits.append(r.clock.monotonic() - began)
                await asyncio.sleep(1)  # no race: virtual time

            assert max(waits) < 1

    run_in_virtual_time(scenario())


@pytest.mark.parametrize("limit", [20_000, 60_000])
def test_a_body_too_large_for_what_stands_between_is_cut_and_the_size_is_learnt(
    limit: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def resets(write: Write) -> Answer:
        if sum(len(document.body) for document in write.documents) > limit:
            return WriteResult(doubtful=write.documents, trouble="connection reset by peer")
        return WriteResult()

    async def scenario() -> None:
        async with running_lane(ScriptedSink(otherwise=resets), tmp_path) as r:
            began = r.clock.monotonic()
            first = await r.send(200, body=b"x" * 1000)
            await first.done.wait()
            took = r.clock.monotonic() - began
            for _ in range(8):
                later = await r.send(200, body=b"x" * 1000)
                await later.done.wait()

            assert first.is_acked
            assert took < 30
            assert fates(r.metrics) == {Fate.STORED: 1800}
            assert list(read_letters(tmp_path)) == []
            learnt = r.lane.status.row()["batch_max_bytes"]
            assert isinstance(learnt, int)
            assert learnt <= 2 * limit

    run_in_virtual_time(scenario())
    assert "something between may limit bodies" in caplog.text


@pytest.mark.parametrize("trouble", [None, "no node answers"])
def test_an_outage_is_no_bad_batch(trouble: str | None, tmp_path: Path) -> None:
    async def scenario() -> None:
        is_down = True

        def down(write: Write) -> Answer:
            if is_down:
                return WriteResult(doubtful=write.documents, trouble=trouble)
            return WriteResult()

        chosen = lane_settings(patience=PATIENCE)
        async with running_lane(ScriptedSink(otherwise=down), tmp_path, settings=chosen) as r:
            windows = [await r.send(100) for _ in range(5)]
            await asyncio.sleep(3600)  # no race: virtual time
            assert r.lane.outstanding == 500
            is_down = False
            for window in windows:
                await window.done.wait()

            assert fates(r.metrics) == {Fate.STORED: 500}
            assert list(read_letters(tmp_path)) == []

    run_in_virtual_time(scenario())


def test_the_last_document_of_a_quiet_sink_that_says_it_is_well_is_ended_too(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        chosen = lane_settings(patience=PATIENCE)
        async with running_lane(ScriptedSink(otherwise=reset), tmp_path, settings=chosen) as r:
            window = await r.send(1, body=BAD % 0)
            for _ in range(30):
                await asyncio.sleep(5)  # no race: virtual time
                if r.lane.health.has_unanswered:
                    r.lane.health.note_healthy(r.clock.monotonic())

            assert window.is_acked
            assert [s.letter.reason for s in read_letters(tmp_path)] == ["unanswered"]

    run_in_virtual_time(scenario())


def test_a_request_that_cannot_be_read_is_halved_down_to_the_document_at_fault(
    tmp_path: Path,
) -> None:
    def unreadable(write: Write) -> Answer:
        if without_answer(write):
            return WriteResult(busy=write.documents, unreadable=True, busy_because="400: [1:30]")
        return WriteResult()

    async def scenario() -> None:
        async with running_lane(ScriptedSink(otherwise=unreadable), tmp_path) as r:
            window = r.window()
            await r.put(window.documents(3) + window.documents(1, body=BAD % 0))
            await r.put(window.documents(4))
            window.receipt.seal()
            r.lane.hint_idle()
            await window.done.wait()

            (stored,) = read_letters(tmp_path)
            assert (stored.letter.reason, stored.letter.detail) == ("unreadable", "400: [1:30]")
            assert fates(r.metrics) == {Fate.STORED: 7, Fate.DEAD_LETTERED: 1}
            assert len(r.sink.writes) <= 7

    run_in_virtual_time(scenario())


def test_written_documents_are_asked_about_until_they_are_safe_and_nobody_is_at_fault(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        asked: dict[Document, int] = {}

        def written(write: Write) -> Answer:
            for one in write.documents:
                asked[one] = asked.get(one, 0) + 1
            unsynced = [one for one in write.documents if asked[one] < 4]
            safe = [one for one in write.documents if asked[one] >= 4]
            return WriteResult(unsynced=unsynced, already_stored=safe)

        async with running_lane(ScriptedSink(otherwise=written), tmp_path) as r:
            began = r.clock.monotonic()
            window: Window = await r.send(100)
            await window.done.wait()

            assert r.clock.monotonic() - began == pytest.approx(
                (1 + 2 + 3) * ASK_AGAIN_SECONDS, abs=0.2
            )
            assert fates(r.metrics) == {Fate.ALREADY_STORED: 100}
            assert r.lane._limiter.last_complaint is None
            assert_books_balance(r)

    run_in_virtual_time(scenario())


def test_a_sink_that_is_behind_for_long_is_asked_less_often_and_others_are_not_late(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        def slow(write: Write) -> Answer:
            new = [one for one in write.documents if one not in seen and b"new" in one.body]
            seen.update(new)
            old = [one for one in write.documents if b"bad" in one.body]
            return WriteResult(unsynced=[*old, *new])

        seen: set[Document] = set()
        async with running_lane(ScriptedSink(otherwise=slow), tmp_path) as r:
            await r.send(100, body=BAD % 0)
            await asyncio.sleep(60)  # no race: virtual time
            writes = len(r.sink.writes)
            began = r.clock.monotonic()
            new = await r.send(100, body=b'{"new":1}')
            await new.done.wait()

            assert writes < 25
            assert r.clock.monotonic() - began == pytest.approx(ASK_AGAIN_SECONDS, abs=0.2)

    run_in_virtual_time(scenario())


def test_a_batch_whose_parts_turn_out_to_be_written_was_not_too_large(tmp_path: Path) -> None:
    async def scenario() -> None:
        seen: set[Document] = set()

        def slow(write: Write) -> Answer:
            marked = [one for one in write.documents if b"bad" in one.body]
            if len(marked) == 64 and not seen:
                return WriteResult(doubtful=write.documents, trouble="no answer in time")
            new = [one for one in marked if one not in seen]
            seen.update(new)
            return WriteResult(unsynced=new)

        async with running_lane(ScriptedSink(otherwise=slow), tmp_path) as r:
            before = r.lane.status.row()["batch_max_bytes"]
            window = await r.send(64, body=b'{"bad":"%b"}' % (b"x" * 4096))
            await others_pass(r, 20)

            assert window.is_acked
            assert len(seen) == 64
            assert r.lane.status.row()["batch_max_bytes"] == before

    run_in_virtual_time(scenario())


def test_busy_documents_of_a_sink_that_takes_others_come_again_soon_and_with_company(
    tmp_path: Path,
) -> None:
    """429 for 30 % of the documents in 80 % of the writes: all are busy some of the time."""

    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path) as r:
            chance = r.lane._chance  # the lane's own, so that one seed makes the run

            async def moody(write: Write) -> Answer:
                await asyncio.sleep(0.02)  # no race: virtual time
                if chance() < 0.2:
                    return WriteResult()
                return WriteResult(busy=[d for d in write.documents if chance() < 0.3])

            r.sink._otherwise = moody

            async def beat() -> None:
                for _ in range(5):
                    window: Window = await r.send(500)
                    await window.done.wait()

            began = r.clock.monotonic()
            await asyncio.gather(*(beat() for _ in range(8)))

            assert r.clock.monotonic() - began < 30
            assert len(r.sink.writes) < 200
            assert fates(r.metrics) == {Fate.STORED: 20_000}

    run_in_virtual_time(scenario())

"""Whatever a sink answers, every document gets one fate and every receipt closes once."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from ptingest.dead_letters.queue import read_letters
from ptingest.model.document import DataStream
from ptingest.model.outcome import Fate, WriteResult
from ptingest.model.receipt import Receipt
from tests.delivery.running_lane import RunningLane, lane_settings, running_lane
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import CELERY, Answer, ScriptedSink, Window, Write, fates, refuse


def test_a_stored_window_closes_its_receipt_and_frees_the_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path) as r:
            window = await r.send(10)
            await window.done.wait()

            assert window.is_acked
            assert r.budget.outstanding == 0
            assert fates(r.metrics) == {Fate.STORED: 10}
            assert r.lane.status.outstanding_by_service() == {}

    run_in_virtual_time(scenario())


def test_only_busy_documents_go_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda write: WriteResult(busy=write.documents[2:4]))
        async with running_lane(sink, tmp_path) as r:
            window = await r.send(6)
            await window.done.wait()

            first, second = r.sink.writes
            assert second.documents == first.documents[2:4]
            assert window.is_acked
            assert fates(r.metrics) == {Fate.STORED: 6}

    run_in_virtual_time(scenario())


def test_the_next_attempt_is_at_least_as_late_as_the_sink_asked(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda w: WriteResult(busy=w.documents, retry_after_seconds=42))
        async with running_lane(sink, tmp_path) as r:
            began = r.clock.monotonic()
            window = await r.send(3)
            await window.done.wait()

            assert 42 <= r.clock.monotonic() - began < 43

    run_in_virtual_time(scenario())


def test_doubt_is_remembered_until_the_document_is_settled(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(
            lambda w: WriteResult(doubtful=w.documents[:2], busy=w.documents[2:]),
            lambda w: WriteResult(busy=w.documents),
        )
        async with running_lane(sink, tmp_path) as r:
            window = await r.send(4)
            await window.done.wait()

            first = r.sink.writes[0].documents
            assert [write.doubtful for write in r.sink.writes] == [
                frozenset(),
                frozenset(first[:2]),
                frozenset(first[:2]),
            ]
            assert r.lane.status.row()["doubtful_documents"] == 0

    run_in_virtual_time(scenario())


@pytest.mark.parametrize(
    ("count", "body_bytes", "batches"),
    [
        pytest.param(250, 10, [100, 100, 50], id="by count"),
        pytest.param(8, 400_000, [2, 2, 2, 2], id="by bytes"),
        pytest.param(2, 2_000_000, [1, 1], id="a document over the limit goes alone"),
    ],
)
def test_a_full_batch_is_closed(
    count: int, body_bytes: int, batches: list[int], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
            window = await r.send(count, body=b"x" * body_bytes)
            await window.done.wait()

            assert [len(write.documents) for write in r.sink.writes] == batches

    run_in_virtual_time(scenario())


def test_age_closes_a_batch_while_more_is_being_admitted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
            began = r.clock.monotonic()
            await r.put(r.window().documents(1))
            await r.sink.wait_for_writes(1)

            assert 0.1 <= r.clock.monotonic() - began < 0.2

    run_in_virtual_time(scenario())


def test_nothing_more_to_admit_closes_a_batch_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
            began = r.clock.monotonic()
            await r.send(1)
            await r.sink.wait_for_writes(1)

            assert r.clock.monotonic() - began < 0.1

    run_in_virtual_time(scenario())


def test_a_slow_batch_does_not_stop_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        never = asyncio.Event()

        async def slow(write: Write) -> Answer:
            await never.wait()
            return WriteResult()

        async with running_lane(ScriptedSink(slow), tmp_path) as r:
            stuck = await r.send(1)
            await r.sink.wait_for_writes(1)
            other = await r.send(1)
            await other.done.wait()

            assert other.is_acked
            assert not stuck.closed
            never.set()
            await stuck.done.wait()

    run_in_virtual_time(scenario())


def test_a_refused_document_is_on_disk_before_its_window_is_acked(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda w: WriteResult(refused=refuse(w.documents[:1], "mapping")))
        async with running_lane(sink, tmp_path) as r:
            window = await r.send(3)
            await window.done.wait()

            (stored,) = read_letters(tmp_path)
            assert window.is_acked
            assert stored.letter.reason == "mapping"
            assert stored.letter.payload == r.sink.writes[0].documents[0].payload
            assert stored.letter.key == window.keys[0]
            assert fates(r.metrics) == {Fate.STORED: 2, Fate.DEAD_LETTERED: 1}
            lettered = "ptingest_flow_dead_lettered_events_total"
            assert r.metrics.value(lettered, "django", "mapping") == 1

    run_in_virtual_time(scenario())


def test_full_dead_letters_fail_the_window_and_turn_readiness_red(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda w: WriteResult(refused=refuse(w.documents[:1])))
        settings = lane_settings(documents=5)
        async with running_lane(sink, tmp_path, settings=settings, max_bytes=64) as r:
            r.sink.hold()
            window = await r.send(10)
            r.sink.let_go()
            await window.done.wait()
            await asyncio.sleep(1)  # no race: virtual time

            assert "dead_letters.max_bytes" in str(window.receipt.failed)
            assert "dead_letters.max_bytes" in str(r.lane.status.trouble)
            assert fates(r.metrics) == {Fate.STORED: 9, Fate.GIVEN_BACK: 1}
            assert r.budget.outstanding == 0
            assert list(read_letters(tmp_path)) == []

    run_in_virtual_time(scenario())


def test_a_batch_too_large_is_halved_until_one_document_is_to_blame(tmp_path: Path) -> None:
    def limited(write: Write) -> Answer:
        too_large = sum(len(document.body) for document in write.documents) > 10_000
        return WriteResult(too_large=too_large, busy=write.documents if too_large else ())

    async def scenario() -> None:
        async with running_lane(ScriptedSink(otherwise=limited), tmp_path) as r:
            window = r.window()
            await r.put(window.documents(20, body=b"x" * 900))
            await r.put(window.documents(1, body=b"x" * 10_001))
            window.receipt.seal()
            r.lane.hint_idle()
            await window.done.wait()
            (stored,) = read_letters(tmp_path)
            before = len(r.sink.writes)
            again = await r.send(20, body=b"x" * 900)
            await again.done.wait()

            assert window.is_acked
            assert stored.letter.reason == "too_large"
            assert fates(r.metrics) == {Fate.STORED: 40, Fate.DEAD_LETTERED: 1}
            # What was learned is kept: no batch is refused for its size again.
            assert not any(answer.too_large for answer in r.sink.answers[before:])

    run_in_virtual_time(scenario())


def batch_max_bytes(r: RunningLane) -> int:
    limit = r.lane.status.row()["batch_max_bytes"]
    assert isinstance(limit, int)
    return limit


def test_a_passing_refusal_for_size_does_not_make_batches_small_for_ever(tmp_path: Path) -> None:
    def moody(write: Write) -> Answer:
        too_large = sum(len(document.body) for document in write.documents) > limit[0]
        return WriteResult(too_large=too_large, busy=write.documents if too_large else ())

    limit = [2_000]

    async def scenario() -> None:
        async with running_lane(ScriptedSink(otherwise=moody), tmp_path) as r:
            refused = await r.send(100, body=b"x" * 900)
            await refused.done.wait()
            assert batch_max_bytes(r) < 2_000
            limit[0] = 1_000_000
            # The shrunken batches are of one or two documents: many are taken soon.
            while batch_max_bytes(r) < 90_000:
                later = await r.send(1000, body=b"x" * 900)
                await later.done.wait()

            assert refused.is_acked
            assert later.is_acked

    run_in_virtual_time(scenario())


def test_a_write_that_raises_is_logged_and_one_bad_document_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fragile(write: Write) -> Answer:
        if any(document.body == b"poison" for document in write.documents):
            return RuntimeError("cannot cope with poison")
        return WriteResult()

    async def scenario() -> None:
        async with running_lane(ScriptedSink(otherwise=fragile), tmp_path) as r:
            window = r.window()
            await r.put(window.documents(7))
            await r.put(window.documents(1, body=b"poison"))
            await r.put(window.documents(8))
            window.receipt.seal()
            r.lane.hint_idle()
            await asyncio.sleep(60)  # no race: virtual time

            assert fates(r.metrics) == {Fate.STORED: 15}
            assert r.lane.outstanding == 1
            assert not window.closed

    run_in_virtual_time(scenario())
    assert "cannot cope with poison" in caplog.text
    assert "Traceback" in caplog.text


def test_an_answer_for_documents_that_were_not_sent_is_not_believed(tmp_path: Path) -> None:
    async def scenario() -> None:
        stranger = Window().documents(1)
        sink = ScriptedSink(WriteResult(already_stored=stranger))
        async with running_lane(sink, tmp_path) as r:
            window = await r.send(2)
            await window.done.wait()

            assert len(r.sink.writes) > 1
            assert fates(r.metrics) == {Fate.STORED: 2}

    run_in_virtual_time(scenario())


def stream_trouble(write: Write, bad: DataStream = CELERY) -> WriteResult:
    busy = [document for document in write.documents if document.target == bad]
    return WriteResult(stream_busy=refuse(busy, "template_missing"))


def test_one_bad_stream_waits_while_the_others_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(*[stream_trouble] * 5)
        async with running_lane(sink, tmp_path) as r:
            bad = await r.send(40, data_stream=CELERY)
            await r.sink.wait_for_writes(1)
            good = await r.send(40)
            await good.done.wait()
            later = await r.send(40, data_stream=CELERY)
            held = [w for w in r.sink.writes[1:] if w.documents[0].target == CELERY]
            await bad.done.wait()
            await later.done.wait()

            assert good.is_acked
            assert bad.is_acked
            assert later.is_acked
            assert all(len(write.documents) <= 16 for write in held)
            assert fates(r.metrics) == {Fate.STORED: 120}
            assert r.lane.status.row()["troubled_streams"] == []

    run_in_virtual_time(scenario())


def test_a_stream_in_trouble_for_too_long_goes_to_the_dead_letters_until_it_is_mended(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        is_bad = True
        sink = ScriptedSink(otherwise=lambda w: stream_trouble(w) if is_bad else WriteResult())
        async with running_lane(sink, tmp_path) as r:
            began = r.clock.monotonic()
            first = await r.send(40, data_stream=CELERY)
            await first.done.wait()
            patience = r.clock.monotonic() - began
            second = await r.send(40, data_stream=CELERY)
            await second.done.wait()
            at_once = r.clock.monotonic() - began - patience
            is_bad = False
            await asyncio.sleep(31)  # no race: virtual time
            third = await r.send(40, data_stream=CELERY)
            await third.done.wait()

            assert 300 <= patience < 302
            assert at_once < 1
            assert {stored.letter.reason for stored in read_letters(tmp_path)} == {
                "template_missing"
            }
            assert fates(r.metrics)[Fate.DEAD_LETTERED] >= 80
            fourth = await r.send(40, data_stream=CELERY)
            await fourth.done.wait()
            assert fates(r.metrics)[Fate.STORED] >= 56
            assert sum(fates(r.metrics).values()) == 160

    run_in_virtual_time(scenario())


def test_a_bad_stream_holds_at_most_a_quarter_of_the_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(otherwise=stream_trouble)
        async with running_lane(sink, tmp_path, budget_bytes=100_000) as r:
            window = await r.send(100, data_stream=CELERY)
            await asyncio.sleep(1)  # no race: virtual time

            assert r.budget.outstanding <= 25_000
            assert window.is_acked

    run_in_virtual_time(scenario())


def test_a_first_success_sends_at_once_what_waited_for_the_sink(tmp_path: Path) -> None:
    async def scenario() -> None:
        down = [lambda w: WriteResult(busy=w.documents, trouble="no node answers")] * 12
        settings = lane_settings(documents=10)
        async with running_lane(ScriptedSink(*down), tmp_path, settings=settings) as r:
            windows = [await r.send(10) for _ in range(4)]
            await r.sink.wait_for_writes(13)
            recovered = r.clock.monotonic()
            for window in windows:
                await window.done.wait()

            assert r.clock.monotonic() - recovered < 0.1
            assert r.lane.status.row()["backoff_seconds"] == 0

    run_in_virtual_time(scenario())


def test_documents_busy_while_others_are_taken_wait_longer_each_time(tmp_path: Path) -> None:
    def one_is_busy(write: Write) -> Answer:
        times.append(asyncio.get_running_loop().time())
        return WriteResult(busy=[d for d in write.documents if d.body == b"slow"])

    times: list[float] = []

    async def scenario() -> None:
        sink = ScriptedSink(*[one_is_busy] * 8)
        async with running_lane(sink, tmp_path) as r:
            window = r.window()
            await r.put(window.documents(3) + window.documents(1, body=b"slow"))
            window.receipt.seal()
            r.lane.hint_idle()
            await window.done.wait()

    run_in_virtual_time(scenario())
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[0] >= 0.12
    assert waits[-1] >= 4


def test_a_batch_that_is_busy_for_ever_does_not_starve_fresh_ones(tmp_path: Path) -> None:
    async def hot(write: Write) -> Answer:
        busy = [document for document in write.documents if document.body == b"hot"]
        await asyncio.sleep(1 if busy else 0)  # no race: virtual time
        return WriteResult(busy=busy)

    async def scenario() -> None:
        settings = lane_settings(documents=10, concurrency=1)
        async with running_lane(ScriptedSink(otherwise=hot), tmp_path, settings=settings) as r:
            stuck = [await r.send(10, body=b"hot") for _ in range(20)]
            await asyncio.sleep(30)  # no race: virtual time
            began = r.clock.monotonic()
            for _ in range(20):
                window = await r.send(10)
                await window.done.wait()

            assert not any(window.closed for window in stuck)
            assert r.clock.monotonic() - began < 60

    run_in_virtual_time(scenario())


def test_a_success_ends_the_wait_of_a_batch_that_failed_beside_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        second_may_answer = asyncio.Event()

        async def late(write: Write) -> Answer:
            await second_may_answer.wait()
            return WriteResult()

        sink = ScriptedSink(
            lambda w: WriteResult(busy=w.documents, trouble="down", retry_after_seconds=60), late
        )
        async with running_lane(sink, tmp_path, settings=lane_settings(documents=5)) as r:
            sink.hold()
            window = await r.send(5)
            await sink.wait_for_writes(1)
            other = await r.send(5)
            await sink.wait_for_writes(2)
            sink.let_go()
            await asyncio.sleep(1)  # no race: virtual time
            began = r.clock.monotonic()
            second_may_answer.set()
            await window.done.wait()

            assert other.is_acked
            assert window.is_acked
            assert r.clock.monotonic() - began < 1

    run_in_virtual_time(scenario())


def test_documents_put_after_their_window_failed_do_not_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=5, concurrency=1)
        async with running_lane(sink, tmp_path, settings=settings) as r:
            sink.hold()
            await r.send(5)
            await sink.wait_for_writes(1)
            window = r.window()
            window.receipt.fail("the connection closed")
            await r.put(window.documents(5))
            await asyncio.sleep(0.01)  # no race: virtual time

            assert fates(r.metrics) == {Fate.GIVEN_BACK: 5}
            sink.let_go()

    run_in_virtual_time(scenario())


def test_given_up_documents_leave_at_once_and_those_in_flight_finish(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=10, concurrency=1)
        async with running_lane(sink, tmp_path, settings=settings) as r:
            sink.hold()
            window = await r.send(15)
            other = await r.send(5)
            await sink.wait_for_writes(1)
            window.receipt.fail("the connection closed")
            r.lane.give_back()
            r.lane.give_back()
            await asyncio.sleep(0.01)  # no race: virtual time

            assert fates(r.metrics) == {Fate.GIVEN_BACK: 5}
            sink.let_go()
            await other.done.wait()
            assert fates(r.metrics) == {Fate.GIVEN_BACK: 5, Fate.STORED: 15}
            assert len(window.closed) == 1

    run_in_virtual_time(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda w: WriteResult(busy=w.documents), id="busy"),
        pytest.param(lambda w: WriteResult(doubtful=w.documents), id="doubtful"),
        pytest.param(lambda w: WriteResult(refused=refuse(w.documents)), id="refused"),
        pytest.param(lambda w: WriteResult(stream_busy=refuse(w.documents)), id="stream busy"),
        pytest.param(lambda w: WriteResult(too_large=True, busy=w.documents), id="too large"),
        pytest.param(RuntimeError("a bug"), id="raised"),
    ],
)
@pytest.mark.parametrize("count", [1, 4], ids="{} documents".format)
def test_what_comes_back_for_a_failed_window_is_given_back(
    answer: Any, count: int, tmp_path: Path
) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(answer)
        async with running_lane(sink, tmp_path) as r:
            sink.hold()
            window = await r.send(count)
            await sink.wait_for_writes(1)
            window.receipt.fail("the connection closed")
            sink.let_go()
            await asyncio.sleep(1)  # no race: virtual time

            assert fates(r.metrics) == {Fate.GIVEN_BACK: count}
            assert r.budget.outstanding == 0
            assert list(read_letters(tmp_path)) == []

    run_in_virtual_time(scenario())


def test_drain_and_close_give_back_what_a_hung_sink_keeps(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        async with running_lane(sink, tmp_path, settings=lane_settings(documents=5)) as r:
            sink.hold()
            window = await r.send(20)
            began = r.clock.monotonic()
            left = await r.lane.drain(began + 20)
            drained = r.clock.monotonic() - began
            await r.lane.close()

            assert left == 20
            assert 20 <= drained < 21
            assert fates(r.metrics) == {Fate.GIVEN_BACK: 20}
            assert window.receipt.failed is not None
            late = await r.send(3)
            assert late.receipt.failed is not None

    run_in_virtual_time(scenario())


def test_drain_tries_once_more_before_its_deadline_and_returns_when_all_is_safe(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda w: WriteResult(busy=w.documents, retry_after_seconds=1000))
        async with running_lane(sink, tmp_path) as r:
            window = await r.send(3)
            await sink.wait_for_writes(1)
            began = r.clock.monotonic()
            left = await r.lane.drain(began + 20)

            assert left == 0
            assert window.is_acked
            assert r.clock.monotonic() - began < 20

    run_in_virtual_time(scenario())


def test_put_waits_while_the_lane_is_crowded_and_cancelled_takes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=10, concurrency=1)
        async with running_lane(sink, tmp_path, settings=settings) as r:
            sink.hold()
            for _ in range(3):
                await r.send(10)
            waiting = r.window().documents(10)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(r.lane.put(waiting), 1)
            before = r.lane.outstanding
            sink.let_go()
            for window in r.windows[:3]:
                await window.done.wait()

            assert before == 30
            assert fates(r.metrics) == {Fate.STORED: 30}

    run_in_virtual_time(scenario())


def test_a_lane_that_breaks_ends_its_run_with_the_error(tmp_path: Path) -> None:
    def broken(receipt: Receipt) -> None:
        raise ZeroDivisionError("a bug at the other end of the receipt")

    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path) as r:
            window = Window()
            window.receipt = Receipt(broken)
            await r.put(window.documents(1))
            window.receipt.seal()
            r.lane.hint_idle()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        run_in_virtual_time(scenario())
    assert caught.value.subgroup(ZeroDivisionError) is not None


def test_after_full_load_a_single_window_is_written_at_once(tmp_path: Path) -> None:
    async def slowly(write: Write) -> WriteResult:
        await asyncio.sleep(0.3)  # no race: virtual time
        return WriteResult()

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=slowly)
        settings = lane_settings(documents=8192, size=8 << 20, concurrency=16)
        async with running_lane(sink, tmp_path, settings=settings, budget_bytes=1 << 30) as r:
            load, body = Window(), bytes(128 << 10)
            for _ in range(500):
                documents = load.documents(4, body=body)
                r.budget.charge(sum(document.cost for document in documents))
                await r.lane.put(documents)
            await r.lane.drain(r.clock.monotonic() + 60)
            began = r.clock.monotonic()

            window = await r.send(10)
            r.lane.hint_idle()
            await window.done.wait()

            assert r.clock.monotonic() - began < 0.3 + 0.02

    run_in_virtual_time(scenario())


def test_a_budget_made_smaller_makes_the_share_of_troubled_streams_smaller(tmp_path: Path) -> None:
    async def scenario() -> None:
        def forbidden(write: Write) -> WriteResult:
            return WriteResult(stream_busy=refuse(write.documents, "forbidden"))

        async with running_lane(ScriptedSink(otherwise=forbidden), tmp_path) as r:
            began = r.clock.monotonic()
            r.budget.resize(1000)

            window = await r.send(10)
            await window.done.wait()

            assert window.is_acked
            assert fates(r.metrics) == {Fate.DEAD_LETTERED: 10}
            assert r.clock.monotonic() - began < 60  # patience would be 300 s

    run_in_virtual_time(scenario())


def test_a_requeue_after_the_cause_is_mended_takes_everything_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        is_bad = True
        sink = ScriptedSink(otherwise=lambda w: stream_trouble(w) if is_bad else WriteResult())
        async with running_lane(sink, tmp_path, settings=lane_settings(patience=10)) as r:
            first = await r.send(140, data_stream=CELERY)
            await first.done.wait()
            is_bad = False
            began = r.clock.monotonic()
            r.lane.retry_streams()
            again = [await r.send(1, data_stream=CELERY) for _ in range(140)]
            for window in again:
                await window.done.wait()

            assert fates(r.metrics) == {Fate.DEAD_LETTERED: 140, Fate.STORED: 140}
            assert r.clock.monotonic() - began < 1

    run_in_virtual_time(scenario())


def test_one_document_forbidden_while_others_of_its_stream_pass_does_not_hold_the_stream(
    tmp_path: Path,
) -> None:
    def forbids_one(write: Write) -> Answer:
        bad = [document for document in write.documents if document.body == b"new field"]
        return WriteResult(stream_busy=refuse(bad, "forbidden"))

    async def scenario() -> None:
        sink = ScriptedSink(otherwise=forbids_one)
        async with running_lane(sink, tmp_path, settings=lane_settings(patience=20)) as r:
            window = r.window()
            await r.put(window.documents(1, body=b"new field") + window.documents(5))
            window.receipt.seal()
            waits = []
            for _ in range(60):
                began = r.clock.monotonic()
                other = await r.send(3)
                await other.done.wait()
                waits.append(r.clock.monotonic() - began)
                await asyncio.sleep(1)  # no race: virtual time

            assert max(waits) < 0.5
            assert window.is_acked
            assert [s.letter.reason for s in read_letters(tmp_path)] == ["forbidden"]

    run_in_virtual_time(scenario())

"""Whatever a sink answers, every document gets one fate and every receipt closes once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from ptingest.delivery.dead_letter import read_letters
from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import Fate, WriteResult
from ptingest.model.receipt import Receipt
from tests.delivery.road import Road, lane_settings, road
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import CELERY, DJANGO, Answer, ScriptedSink, Window, Write, fates, refuse


def test_a_stored_window_closes_its_receipt_and_frees_the_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road(ScriptedSink(), tmp_path) as r:
            window = await r.send(10)
            await window.done.wait()

            assert window.is_acked
            assert r.budget.outstanding == 0
            assert fates(r.metrics) == {Fate.STORED: 10}
            assert r.lane.outstanding_by_service() == {}

    run_in_virtual_time(scenario())


def test_only_busy_documents_go_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(lambda write: WriteResult(busy=write.documents[2:4]))
        async with road(sink, tmp_path) as r:
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
        async with road(sink, tmp_path) as r:
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
        async with road(sink, tmp_path) as r:
            window = await r.send(4)
            await window.done.wait()

            first = r.sink.writes[0].documents
            assert [write.doubtful for write in r.sink.writes] == [
                frozenset(),
                frozenset(first[:2]),
                frozenset(first[:2]),
            ]
            assert r.lane.status()["doubtful_documents"] == 0

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
        async with road(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
            window = await r.send(count, body=b"x" * body_bytes)
            await window.done.wait()

            assert [len(write.documents) for write in r.sink.writes] == batches

    run_in_virtual_time(scenario())


def test_age_closes_a_batch_while_more_is_being_admitted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
            began = r.clock.monotonic()
            await r.put(r.window().documents(1))
            await r.sink.wait_for_writes(1)

            assert 0.1 <= r.clock.monotonic() - began < 0.2

    run_in_virtual_time(scenario())


def test_nothing_more_to_admit_closes_a_batch_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road(ScriptedSink(), tmp_path, settings=lane_settings()) as r:
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

        async with road(ScriptedSink(slow), tmp_path) as r:
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
        async with road(sink, tmp_path) as r:
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
        async with road(sink, tmp_path, settings=settings, max_bytes=64) as r:
            r.sink.hold()
            window = await r.send(10)
            r.sink.let_go()
            await window.done.wait()
            await asyncio.sleep(1)

            assert "dead_letters.max_bytes" in str(window.receipt.failed)
            assert "dead_letters.max_bytes" in str(r.lane.trouble)
            assert fates(r.metrics) == {Fate.STORED: 9, Fate.GIVEN_BACK: 1}
            assert r.budget.outstanding == 0
            assert list(read_letters(tmp_path)) == []

    run_in_virtual_time(scenario())


def test_a_batch_too_large_is_halved_until_one_document_is_to_blame(tmp_path: Path) -> None:
    def limited(write: Write) -> Answer:
        too_large = sum(len(document.body) for document in write.documents) > 10_000
        return WriteResult(too_large=too_large, busy=write.documents if too_large else ())

    async def scenario() -> None:
        async with road(ScriptedSink(otherwise=limited), tmp_path) as r:
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


def test_a_write_that_raises_is_logged_and_one_bad_document_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fragile(write: Write) -> Answer:
        if any(document.body == b"poison" for document in write.documents):
            return RuntimeError("cannot cope with poison")
        return WriteResult()

    async def scenario() -> None:
        async with road(ScriptedSink(otherwise=fragile), tmp_path) as r:
            window = r.window()
            await r.put(window.documents(7))
            await r.put(window.documents(1, body=b"poison"))
            await r.put(window.documents(8))
            window.receipt.seal()
            r.lane.hint_idle()
            await asyncio.sleep(60)

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
        async with road(sink, tmp_path) as r:
            window = await r.send(2)
            await window.done.wait()

            assert len(r.sink.writes) > 1
            assert fates(r.metrics) == {Fate.STORED: 2}

    run_in_virtual_time(scenario())


def stream_trouble(write: Write, bad: DataStream = CELERY) -> WriteResult:
    busy = [document for document in write.documents if document.data_stream == bad]
    return WriteResult(stream_busy=refuse(busy, "no_template"))


def test_one_bad_stream_waits_while_the_others_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(*[stream_trouble] * 5)
        async with road(sink, tmp_path) as r:
            bad = await r.send(40, data_stream=CELERY)
            await r.sink.wait_for_writes(1)
            good = await r.send(40)
            await good.done.wait()
            later = await r.send(40, data_stream=CELERY)
            held = [w for w in r.sink.writes[1:] if w.documents[0].data_stream == CELERY]
            await bad.done.wait()
            await later.done.wait()

            assert good.is_acked
            assert bad.is_acked
            assert later.is_acked
            assert all(len(write.documents) <= 16 for write in held)
            assert fates(r.metrics) == {Fate.STORED: 120}
            assert r.lane.status()["troubled_streams"] == []

    run_in_virtual_time(scenario())


def test_a_stream_in_trouble_for_too_long_goes_to_the_dead_letters_until_it_is_mended(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        is_bad = True
        sink = ScriptedSink(otherwise=lambda w: stream_trouble(w) if is_bad else WriteResult())
        async with road(sink, tmp_path) as r:
            began = r.clock.monotonic()
            first = await r.send(40, data_stream=CELERY)
            await first.done.wait()
            patience = r.clock.monotonic() - began
            second = await r.send(40, data_stream=CELERY)
            await second.done.wait()
            at_once = r.clock.monotonic() - began - patience
            is_bad = False
            await asyncio.sleep(31)
            third = await r.send(40, data_stream=CELERY)
            await third.done.wait()

            assert 300 <= patience < 302
            assert at_once < 1
            assert {stored.letter.reason for stored in read_letters(tmp_path)} == {"no_template"}
            assert fates(r.metrics)[Fate.DEAD_LETTERED] >= 80
            fourth = await r.send(40, data_stream=CELERY)
            await fourth.done.wait()
            assert fates(r.metrics)[Fate.STORED] >= 56
            assert sum(fates(r.metrics).values()) == 160

    run_in_virtual_time(scenario())


def test_a_bad_stream_holds_at_most_a_quarter_of_the_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink(otherwise=stream_trouble)
        async with road(sink, tmp_path, budget_bytes=100_000) as r:
            window = await r.send(100, data_stream=CELERY)
            await asyncio.sleep(1)

            assert r.budget.outstanding <= 25_000
            assert window.is_acked

    run_in_virtual_time(scenario())


def test_trouble_is_shown_while_it_lasts_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        down = [lambda w: WriteResult(busy=w.documents, trouble="no node answers")] * 6
        async with road(ScriptedSink(*down), tmp_path) as r:
            window = await r.send(5)
            await r.sink.wait_for_writes(5)
            r.metrics.refresh()
            during = r.lane.trouble
            in_trouble = r.metrics.value("ptingest_lane_is_in_trouble", "fake")
            await window.done.wait()
            r.metrics.refresh()

            assert (during, in_trouble) == ("no node answers", 1)
            assert r.lane.trouble is None
            assert r.metrics.value("ptingest_lane_is_in_trouble", "fake") == 0

    run_in_virtual_time(scenario())
    assert caplog.text.count("no node answers") == 1
    assert caplog.text.count("takes documents again") == 1


def test_a_first_success_sends_at_once_what_waited_for_the_sink(tmp_path: Path) -> None:
    async def scenario() -> None:
        down = [lambda w: WriteResult(busy=w.documents, trouble="no node answers")] * 12
        settings = lane_settings(documents=10)
        async with road(ScriptedSink(*down), tmp_path, settings=settings) as r:
            windows = [await r.send(10) for _ in range(4)]
            await r.sink.wait_for_writes(13)
            recovered = r.clock.monotonic()
            for window in windows:
                await window.done.wait()

            assert r.clock.monotonic() - recovered < 0.1
            assert r.lane.status()["backoff_seconds"] == 0

    run_in_virtual_time(scenario())


def test_given_up_documents_leave_at_once_and_those_in_flight_finish(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=10, concurrency=1)
        async with road(sink, tmp_path, settings=settings) as r:
            sink.hold()
            window = await r.send(15)
            other = await r.send(5)
            await sink.wait_for_writes(1)
            window.receipt.fail("the connection closed")
            r.lane.give_back()
            r.lane.give_back()
            await asyncio.sleep(0.01)

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
        async with road(sink, tmp_path) as r:
            sink.hold()
            window = await r.send(count)
            await sink.wait_for_writes(1)
            window.receipt.fail("the connection closed")
            sink.let_go()
            await asyncio.sleep(1)

            assert fates(r.metrics) == {Fate.GIVEN_BACK: count}
            assert r.budget.outstanding == 0
            assert list(read_letters(tmp_path)) == []

    run_in_virtual_time(scenario())


def test_drain_and_close_give_back_what_a_hung_sink_keeps(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        async with road(sink, tmp_path, settings=lane_settings(documents=5)) as r:
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
        async with road(sink, tmp_path) as r:
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
        async with road(sink, tmp_path, settings=settings) as r:
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
        async with road(ScriptedSink(), tmp_path) as r:
            window = Window()
            window.receipt = Receipt(broken)
            await r.put(window.documents(1))
            window.receipt.seal()
            r.lane.hint_idle()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        run_in_virtual_time(scenario())
    assert caught.value.subgroup(ZeroDivisionError) is not None


def test_a_started_lane_hands_its_error_to_whoever_closes_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road(ScriptedSink(), tmp_path) as r:
            lane = r.lane_like(ScriptedSink())
            lane.start()
            documents = r.window().documents(4)
            r.budget.charge(sum(document.cost for document in documents))
            await lane.put(documents)
            assert await lane.drain(r.clock.monotonic() + 1) == 0
            await lane.close()

    run_in_virtual_time(scenario())


def test_status_says_where_documents_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        sink = ScriptedSink()
        settings = lane_settings(documents=10, concurrency=1)
        async with road(sink, tmp_path, settings=settings) as r:
            sink.hold()
            await r.send(15, service="nginx")
            await sink.wait_for_writes(1)
            await asyncio.sleep(2)
            status = r.lane.status()
            r.metrics.refresh()

            assert status["in_flight"] == 1
            assert status["waiting_documents"] == 5
            assert status["oldest_seconds"] == pytest.approx(2, abs=0.1)
            assert r.lane.outstanding_by_service() == {"nginx": 15}
            assert r.metrics.value("ptingest_lane_waiting_documents", "fake") == 5
            assert r.metrics.value("ptingest_lane_in_flight", "fake") == 1
            sink.let_go()

    run_in_virtual_time(scenario())


# --- the model ------------------------------------------------------------------------------


class Chaos:
    """Answers at random, after random times, and remembers what it did with each document."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.stored: dict[Document, int] = {}
        self.raised = 0
        self.is_calm = False
        self.bad_stream = self.random.choice([DJANGO, CELERY, None])

    async def __call__(self, write: Write) -> Answer:
        chance = self.random
        await asyncio.sleep(chance.choice([0, 0, 0.01, 0.3, 4]))
        kinds = ["store", "mixed", "busy", "doubt", "large", "raise"]
        match "store" if self.is_calm else chance.choices(kinds, [3, 3, 1, 1, 1, 1])[0]:
            case "raise":
                self.raised += 1
                self._store(d for d in write.documents if chance.random() < 0.5)
                return ValueError("a bug in the sink")
            case "large" if len(write.documents) > 3:
                return WriteResult(too_large=True, busy=write.documents)
            case "busy":
                trouble = chance.choice([None, "no node answers"])
                after = chance.choice([None, 2.0])
                return WriteResult(busy=write.documents, trouble=trouble, retry_after_seconds=after)
            case "doubt":
                self._store(d for d in write.documents if chance.random() < 0.5)
                return WriteResult(doubtful=write.documents, trouble="no answer")
            case "mixed":
                return self._mixed(write)
        return self._rest_stored(write, {})

    def _mixed(self, write: Write) -> WriteResult:
        kinds = ["stored", "busy", "doubtful", "refused", "failure_stored"]
        weights = [10, 2, 1, 1, 1]
        chosen = {d: self.random.choices(kinds, weights)[0] for d in write.documents}
        return self._rest_stored(write, chosen)

    def _rest_stored(self, write: Write, chosen: dict[Document, str]) -> WriteResult:
        lists: dict[str, list[Document]] = {}
        for document in write.documents:
            kind = chosen.get(document, "stored")
            if document.data_stream == self.bad_stream and not self.is_calm:
                kind = "stream_busy"
            elif kind == "stored" and document in self.stored:
                kind = "already_stored"
            lists.setdefault(kind, []).append(document)
        self._store(lists.get("stored", []))
        return WriteResult(
            already_stored=lists.get("already_stored", ()),
            failure_stored=lists.get("failure_stored", ()),
            refused=refuse(lists.get("refused", ())),
            busy=lists.get("busy", ()),
            doubtful=lists.get("doubtful", ()),
            stream_busy=refuse(lists.get("stream_busy", ()), "no_template"),
        )

    def _store(self, documents: Any) -> None:
        for document in documents:
            self.stored[document] = self.stored.get(document, 0) + 1


async def send_at_random(r: Road, chance: random.Random) -> None:
    """Put windows in parts, now and then failing one, as closing connections do."""
    for _ in range(30):
        window = r.window()
        for _ in range(chance.randint(1, 3)):
            stream = chance.choice([DJANGO, CELERY])
            await r.put(
                window.documents(chance.randint(1, 40), data_stream=stream, service=stream.dataset)
            )
        window.receipt.seal()
        if chance.random() < 0.5:
            r.lane.hint_idle()
        await asyncio.sleep(chance.choice([0, 0, 0.05, 1]))
        if chance.random() < 0.2:
            chance.choice(r.windows).receipt.fail("the connection closed")
            r.lane.give_back()
        assert_books_balance(r)


def assert_books_balance(r: Road) -> None:
    received = sum(window.expected for window in r.windows)
    settled = sum(fates(r.metrics).values())
    assert settled + sum(r.lane.outstanding_by_service().values()) == received
    assert settled + r.lane.outstanding == received


@pytest.mark.parametrize("seed", range(24))
def test_books_balance_whatever_the_sink_answers(seed: int, tmp_path: Path) -> None:
    chance, chaos = random.Random(seed), Chaos(seed)
    leaves_rest = seed % 4 == 0

    async def scenario() -> None:
        settings = lane_settings(documents=50, size=1200, patience=20 if seed % 2 else 300)
        sink = ScriptedSink(otherwise=chaos)
        async with road(sink, tmp_path, settings=settings, budget_bytes=400_000) as r:
            await send_at_random(r, chance)
            chaos.is_calm = not leaves_rest
            now = r.clock.monotonic()
            left = await r.lane.drain(now + (5 if leaves_rest else 100))

            assert left == r.lane.outstanding
            assert left == 0 or leaves_rest
            assert_books_balance(r)
        assert_books_balance(r)
        judge_the_end(r)

    def judge_the_end(r: Road) -> None:
        assert r.lane.outstanding == 0
        assert all(len(window.closed) == 1 for window in r.windows)
        counted = fates(r.metrics)
        letters = [stored.letter.key for stored in read_letters(tmp_path)]
        assert len(letters) == len(set(letters)) == counted[Fate.DEAD_LETTERED]
        safe = {d.key for d in chaos.stored} | set(letters)
        failure_stored = {d.key for a in r.sink.answers for d in a.failure_stored}
        for window in r.windows:
            if window.is_acked:
                assert set(window.keys) <= safe | failure_stored
        twice = [d for d, times in chaos.stored.items() if times > 1]
        assert all(any(d in w.doubtful for w in r.sink.writes) for d in twice)

    run_in_virtual_time(scenario())
    if not leaves_rest:
        assert chaos.stored

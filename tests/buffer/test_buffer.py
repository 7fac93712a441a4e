"""The buffer over the client library's mock of a cluster: safe, or not acked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from ptingest.buffer import buffer as module
from ptingest.buffer import watch
from ptingest.dead_letters.queue import read_letters
from ptingest.errors import NotAppended
from ptingest.kafka.topic import PartitionState, TopicLimits, TopicState
from tests.fakes.kafka import NOT_ENOUGH_REPLICAS, PRODUCE, MockKafka
from tests.support.buffering import TOPIC, RunningBuffer, events, read_events
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(60)
TOO_LARGE, NOT_ALLOWED = 10, 29
"""MESSAGE_TOO_LARGE and TOPIC_AUTHORIZATION_FAILED in the Kafka protocol."""


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        cluster.create_topic(TOPIC, partitions=2)
        yield cluster


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(watch, "ASK_SECONDS", 0.5)  # the mock does not answer questions of settings


@pytest_asyncio.fixture
async def start(kafka, tmp_path) -> AsyncIterator[Callable[..., RunningBuffer]]:
    made: list[RunningBuffer] = []

    def begin(*, budget_bytes: int = 64 << 20, record_bytes: int = 900_000) -> RunningBuffer:
        made.append(
            RunningBuffer(
                kafka.bootstrap,
                tmp_path / f"letters-{len(made)}",
                budget_bytes=budget_bytes,
                record_bytes=record_bytes,
            )
        )
        return made[-1]

    yield begin
    for one in made:
        await one.stop()
        assert one.balances()
        assert one.budget.outstanding == 0


async def test_a_window_is_safe_when_the_topic_has_it(kafka, start) -> None:
    running, payloads = start(), events(3000, 1000)

    receipt = await running.window(*payloads)
    await until(lambda: receipt.closed)

    assert receipt.failed is None
    assert sorted(await read_events(kafka.bootstrap, 3000)) == sorted(payloads)
    assert running.buffer.books.appended == 3000
    assert running.buffer.troubles() == []


async def test_windows_wait_while_no_broker_answers(kafka, start) -> None:
    running = start()
    kafka.set_down(1)

    receipt = await running.window(*events(10))
    await until(running.buffer.troubles)

    assert "no broker answers" in running.buffer.troubles()[0]
    assert not receipt.closed
    kafka.set_up(1)
    await until(lambda: receipt.closed)
    assert receipt.failed is None
    assert running.buffer.troubles() == []


async def test_brokers_that_go_are_told_without_a_question_and_when_they_are_back(
    kafka, start, monkeypatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 3600.0)
    running = start()
    await until(lambda: running.buffer.status()["topic_partitions"])

    kafka.set_down(1)
    (trouble,) = await until(running.buffer.troubles)
    kafka.set_up(1)
    receipt = await running.window(*events(10))
    await until(lambda: receipt.closed and not running.buffer.troubles())

    assert trouble.startswith("no broker answers (")


async def test_memory_is_bounded_while_no_broker_answers(kafka, start) -> None:
    running = start(budget_bytes=100_000)
    kafka.set_down(1)

    payloads = events(400, 1000)
    parts = [payloads[at : at + 20] for at in range(0, 400, 20)]
    windows = [asyncio.create_task(running.window(*part)) for part in parts]
    await until(lambda: running.budget.waiting)

    assert running.budget.outstanding <= 100_000
    assert running.budget.waiting > 10
    kafka.set_up(1)
    receipts = await asyncio.gather(*windows)
    await until(lambda: all(one.closed for one in receipts))
    assert len(await read_events(kafka.bootstrap, 400)) == 400


async def test_replicas_out_of_sync_make_windows_wait(kafka, start) -> None:
    running = start()
    kafka.fail_requests(PRODUCE, NOT_ENOUGH_REPLICAS, 4)

    receipt = await running.window(*events(10))
    await until(lambda: receipt.closed)

    assert receipt.failed is None
    assert len(await read_events(kafka.bootstrap, 10)) == 10


async def test_a_user_who_may_not_write_is_told_and_windows_wait(kafka, start) -> None:
    running = start()
    kafka.fail_requests(PRODUCE, NOT_ALLOWED, 3)

    receipt = await running.window(*events(10))
    await until(running.buffer.troubles)
    assert "kafka-acls.sh" in running.buffer.troubles()[0]

    await until(lambda: receipt.closed)
    assert receipt.failed is None
    assert running.buffer.troubles() == []


async def test_records_are_never_larger_than_the_setting(kafka, start) -> None:
    running, payloads = start(record_bytes=20_000), events(200, 1000)

    receipt = await running.window(*payloads)
    await until(lambda: receipt.closed)

    assert sorted(await read_events(kafka.bootstrap, 200)) == sorted(payloads)
    assert running.metrics.value("ptingest_buffer_appended_records_total") >= 10


async def test_records_that_the_brokers_find_too_large_are_divided(kafka, start) -> None:
    running, payloads = start(), events(100, 1000)
    kafka.fail_requests(PRODUCE, TOO_LARGE, 2)

    receipt = await running.window(*payloads)
    await until(lambda: receipt.closed)

    assert receipt.failed is None
    assert running.buffer.limit_bytes < 60_000
    assert sorted(await read_events(kafka.bootstrap, 100)) == sorted(payloads)


class Brokers:
    """Stands where the client does; the test answers for each record."""

    restarts, last_error, trouble = 0, None, None

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[None]] = []

    async def send(self, topic: str, value: bytes, headers: object) -> asyncio.Future[None]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]

    async def topic_state(self, topic: str, *, seconds: float) -> TopicState:
        return TopicState({0: PartitionState(has_leader=True, replicas=1, in_sync=1)})

    def restart(self, *, message_bytes: int) -> None:
        self.restarts += 1

    def refuse(self, number: int) -> None:
        self.asked[number].set_exception(NotAppended("MSG_SIZE_TOO_LARGE", "too large"))

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_refusal_of_what_was_sent_under_an_older_limit_teaches_nothing(
    monkeypatch, start
) -> None:
    brokers, told = Brokers(), [TopicLimits(1 << 20, 1)]
    monkeypatch.setattr(module, "KafkaProducer", lambda *_, **__: brokers)
    monkeypatch.setattr(watch, "ask_limits", lambda *_, **__: told[0])
    running = start()
    receipts = [await running.window(*events(50, 1000)) for _ in range(3)]

    told[0] = TopicLimits(30_000, 1)
    brokers.refuse(0)
    await until(lambda: len(brokers.asked) > 3)
    brokers.refuse(1)
    await until(lambda: len(brokers.asked) > 5)
    brokers.refuse(2)
    await until(lambda: len(brokers.asked) > 7)
    for one in brokers.asked[3:]:
        one.set_result(None)
    await until(lambda: all(one.closed for one in receipts))

    assert running.buffer.limit_bytes == 30_000
    assert brokers.restarts == 1
    assert [one.failed for one in receipts] == [None] * 3


async def test_a_size_that_is_refused_by_brokers_which_tell_nothing_is_halved_once(
    monkeypatch, start
) -> None:
    brokers = Brokers()
    monkeypatch.setattr(module, "KafkaProducer", lambda *_, **__: brokers)
    monkeypatch.setattr(watch, "ask_limits", lambda *_, **__: None)
    running = start(record_bytes=60_000)
    await running.window(*events(50, 1000))
    size = next(iter(running.buffer._appends)).record.size

    brokers.refuse(0)  # it may have been refused for the others that it was sent with
    await until(lambda: len(brokers.asked) > 1)
    alone = running.buffer.limit_bytes
    brokers.refuse(1)
    await until(lambda: len(brokers.asked) > 3)

    assert alone == size
    assert running.buffer.limit_bytes == size // 2


async def test_dead_letters_that_fail_while_records_are_divided_leave_nothing_behind(
    monkeypatch, start
) -> None:
    brokers = Brokers()
    monkeypatch.setattr(module, "KafkaProducer", lambda *_, **__: brokers)
    monkeypatch.setattr(watch, "ask_limits", lambda *_, **__: TopicLimits(30_000, 1))
    running = start(record_bytes=60_000)
    receipts = [await running.window(*events(3), giant) for giant in events(2, 50_000)]

    async def put(letters: object) -> None:
        raise OSError("a test wants it so")

    monkeypatch.setattr(running.letters, "put", put)
    brokers.refuse(0)
    brokers.refuse(1)
    with pytest.raises(ExceptionGroup):
        await running.task

    # One is given back; the other one is still known, and is given back by the stop.
    assert [one.failed for one in receipts].count(None) == 1
    assert running.buffer.books.outstanding == 4
    assert len(running.buffer._appends) == 1


async def test_records_grow_again_when_the_topic_takes_larger_ones(monkeypatch, start) -> None:
    told = [TopicLimits(20_000, 1)]
    monkeypatch.setattr(watch, "ask_limits", lambda *_, **__: told[0])
    monkeypatch.setattr(module, "LIMITS_SECONDS", 0.1)
    running = start(record_bytes=500_000)
    await until(lambda: running.buffer.limit_bytes == 20_000)

    told[0] = TopicLimits(300_000, 1)
    await until(lambda: running.buffer.limit_bytes == 300_000)
    told[0] = TopicLimits(1 << 20, 1)
    await until(lambda: running.buffer.limit_bytes == 500_000)
    receipt = await running.window(*events(10))
    await until(lambda: receipt.closed)

    assert receipt.failed is None


@pytest.mark.parametrize("may_ask", [True, False], ids=["may ask", "may not ask"])
async def test_a_second_look_finds_that_the_topic_takes_larger_records_at_once(
    monkeypatch, kafka, start, may_ask
) -> None:
    told = [TopicLimits(20_000, 1) if may_ask else None]
    monkeypatch.setattr(watch, "ask_limits", lambda *_, **__: told[0])
    monkeypatch.setattr(module, "LIMITS_SECONDS", 3600.0)
    running, giant = start(record_bytes=500_000), events(1, 100_000)[0]
    await running.letters.open()
    if may_ask:
        await until(lambda: running.buffer.limit_bytes == 20_000)
    else:
        kafka.fail_requests(PRODUCE, TOO_LARGE, 2)
    await running.window(giant)
    await until(lambda: list(read_letters(running.folder)))

    told[0] = TopicLimits(1 << 20, 1) if may_ask else None
    await running.buffer.look_again()
    receipt = await running.window(giant)
    await until(lambda: receipt.closed)

    assert running.buffer.limit_bytes == 500_000
    assert len(list(read_letters(running.folder))) == 1
    assert await read_events(kafka.bootstrap, 1) == [giant]


async def test_an_event_that_no_record_can_hold_becomes_a_dead_letter(kafka, start) -> None:
    running, giant, small = start(record_bytes=20_000), events(1, 50_000)[0], events(2)
    await running.letters.open()

    receipt = await running.window(small[0], giant, small[1])
    await until(lambda: receipt.closed)

    assert receipt.failed is None
    (letter,) = read_letters(running.folder)
    assert letter.letter.payload == giant
    assert letter.letter.reason == "too_large_for_buffer"
    assert "buffer.kafka.record_bytes" in letter.letter.detail
    assert sorted(await read_events(kafka.bootstrap, 2)) == sorted(small)


async def test_a_window_whose_beat_is_gone_is_not_sent_again(kafka, start) -> None:
    running = start()
    kafka.fail_requests(PRODUCE, NOT_ALLOWED, 1000)
    receipt = await running.window(*events(10))
    await until(running.buffer.troubles)

    receipt.fail("peer_closed")
    await until(lambda: running.buffer.books.outstanding == 0)

    assert running.buffer.books.given_back == 10


async def test_an_admission_that_is_cut_short_leaves_nothing(kafka, start) -> None:
    running = start(budget_bytes=50_000)
    kafka.set_down(1)
    await running.window(*events(20, 1000))

    waiting = asyncio.create_task(running.window(*events(40, 1000)))
    await until(lambda: running.budget.waiting)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert running.budget.waiting == 0
    assert running.buffer.books.outstanding == 20


async def test_records_beside_a_dead_letter_that_is_cut_short_are_given_back(
    kafka, start, monkeypatch
) -> None:
    running, giant, (small,) = start(record_bytes=20_000), events(1, 50_000)[0], events(1)
    writing = asyncio.Event()

    async def put(letters: object) -> None:
        writing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(running.letters, "put", put)
    waiting = asyncio.create_task(running.window(small, giant))
    await writing.wait()
    waiting.cancel()
    await asyncio.wait([waiting])

    books = running.buffer.books
    assert (books.received, books.given_back, books.outstanding) == (2, 2, 0)
    assert running.budget.outstanding == 0


async def test_a_drain_waits_for_what_is_under_way(kafka, start) -> None:
    running = start()
    kafka.set_delay(1, 300)
    receipt = await running.window(*events(10))

    left = await running.buffer.drain(running.clock.monotonic() + 30)

    assert left == 0
    assert receipt.closed


async def test_a_drain_ends_at_its_deadline_and_nothing_is_acked(kafka, start) -> None:
    running = start()
    kafka.set_down(1)
    receipt = await running.window(*events(10))

    left = await running.buffer.drain(running.clock.monotonic() + 0.2)
    await running.buffer.close()

    assert left == 10
    assert "did not confirm" in (receipt.failed or "")


async def test_the_status_says_what_is_where(kafka, start) -> None:
    running = start()
    receipt = await running.window(*events(10))
    await until(lambda: receipt.closed and running.buffer.status()["topic_partitions"])

    status = running.buffer.status()

    assert status["topic"] == TOPIC
    assert status["topic_partitions"] == 2
    assert status["events"] == {
        "received": 10, "appended": 10, "dead_lettered": 0, "given_back": 0, "outstanding": 0,
    }  # fmt: skip
    assert status["outstanding_bytes"] == 0

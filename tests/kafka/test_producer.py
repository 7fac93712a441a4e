"""Records over the client library, against its own mock of a cluster."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from confluent_kafka import Consumer

from ptingest.errors import KafkaUnusable, NotAppended
from ptingest.kafka.producer import KafkaProducer
from ptingest.kafka.statistics import LOST_REPORTS
from tests.fakes.kafka import NOT_ENOUGH_REPLICAS, PRODUCE, MockKafka, _library
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(60)
TOPIC = "events"
HEADERS = (("ptingest", b"1"),)
ILLEGAL_SIZE = 10  # MESSAGE_TOO_LARGE in the Kafka protocol
HANDLE_OFFSET = 16
"""Where the library's handle is in the object of the Python package: behind its header."""


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        cluster.create_topic(TOPIC, partitions=2)
        yield cluster


@pytest_asyncio.fixture
async def producer(kafka) -> AsyncIterator[KafkaProducer]:
    made = KafkaProducer({"bootstrap.servers": kafka.bootstrap}, message_bytes=1_000_000)
    yield made
    await made.close()


async def read(kafka: MockKafka, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "look",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([TOPIC])
    found: list[bytes] = []
    while len(found) < count:
        found += [one.value() for one in await asyncio.to_thread(consumer.consume, 100, 0.2)]
    consumer.close()
    return found


async def send_all(producer: KafkaProducer, values: list[bytes]) -> list[asyncio.Future[None]]:
    return [await producer.send(TOPIC, value, HEADERS) for value in values]


async def test_a_confirmed_record_is_in_the_topic(kafka, producer) -> None:
    values = [b"%d" % number for number in range(500)]

    await asyncio.gather(*await send_all(producer, values))

    assert sorted(await read(kafka, 500)) == sorted(values)
    assert producer.queued == 0


async def test_records_wait_while_no_broker_answers(kafka, producer) -> None:
    kafka.set_down(1)
    sent = await send_all(producer, [b"a", b"b"])
    await until(lambda: producer.last_error)

    assert not any(one.done() for one in sent)
    kafka.set_up(1)
    await asyncio.gather(*sent)
    assert sorted(await read(kafka, 2)) == [b"a", b"b"]
    assert producer.last_error is None


async def test_records_wait_for_replicas_in_sync(kafka, producer) -> None:
    kafka.fail_requests(PRODUCE, NOT_ENOUGH_REPLICAS, 5)

    (sent,) = await send_all(producer, [b"a"])
    await sent

    assert await read(kafka, 1) == [b"a"]


async def test_a_refusal_says_what_the_broker_said(kafka, producer) -> None:
    kafka.fail_requests(PRODUCE, ILLEGAL_SIZE, 1)

    (sent,) = await send_all(producer, [b"a"])
    with pytest.raises(NotAppended) as refusal:
        await sent

    assert refusal.value.name == "MSG_SIZE_TOO_LARGE"


async def test_one_call_of_the_loop_settles_the_reports_of_a_poll(
    kafka, producer, monkeypatch
) -> None:
    loop, calls = asyncio.get_running_loop(), []
    kafka.set_delay(1, 50)
    real = loop.call_soon_threadsafe

    def counted(callback, *arguments, **named):
        calls.append(callback)
        return real(callback, *arguments, **named)

    monkeypatch.setattr(producer._client._loop, "call_soon_threadsafe", counted, raising=False)
    await asyncio.gather(*await send_all(producer, [b"x"] * 1000))

    assert len([one for one in calls if one == producer._client._settle]) < 100


async def test_a_full_queue_makes_the_sender_wait(kafka) -> None:
    made = KafkaProducer(
        {"bootstrap.servers": kafka.bootstrap, "queue.buffering.max.messages": 10},
        message_bytes=1_000_000,
    )
    kafka.set_down(1)
    sending = asyncio.create_task(send_all(made, [b"x"] * 30))
    await until(lambda: made.queued == 10)

    assert not sending.done()
    kafka.set_up(1)
    await asyncio.gather(*await sending)
    assert len(await read(kafka, 30)) == 30
    await made.close()


async def test_a_client_that_lost_brokers_which_answer_others_is_replaced(
    kafka, monkeypatch
) -> None:
    # This one hardly comes back by itself, and its reports are the test's.
    rare = dict.fromkeys(
        ("statistics.interval.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms"), 3_600_000
    )
    made = KafkaProducer({"bootstrap.servers": kafka.bootstrap, **rare}, message_bytes=1_000_000)
    kafka.set_down(1)
    (sent,) = await send_all(made, [b"x"])
    lost = made._client
    for _ in range(LOST_REPORTS):
        lost.statistics.read(b'{"brokers": {}}')
    monkeypatch.setattr(lost._stranding, "_ask_at", 0.0)
    await until(lambda: lost._stranding._ask_at > 0.0)
    was_replaced_while_all_were_away = made.restarts
    kafka.set_up(1)
    monkeypatch.setattr(lost._stranding, "_ask_at", 0.0)

    await until(lambda: made.restarts)
    # What was under way is reported: as confirmed, where the old one was quicker after all.
    await asyncio.wait([sent])
    await asyncio.gather(*await send_all(made, [b"x"]))

    assert sent.exception() is None or isinstance(sent.exception(), NotAppended)
    assert was_replaced_while_all_were_away == 0
    await made.close()


def make_fatal(producer: KafkaProducer) -> None:
    """Let the library say that it cannot go on, as it does for instance when it is fenced."""
    handle = ctypes.c_void_p.from_address(id(producer._client._library) + HANDLE_OFFSET)
    _library().rd_kafka_test_fatal_error(handle, 45, b"a test wants it so")


async def test_after_a_fatal_error_another_client_takes_the_place(kafka, producer) -> None:
    await asyncio.gather(*await send_all(producer, [b"before"]))
    kafka.set_down(1)
    sent = await send_all(producer, [b"unconfirmed"] * 3)

    make_fatal(producer)
    failed = await asyncio.gather(*sent, return_exceptions=True)
    kafka.set_up(1)
    await asyncio.gather(*await send_all(producer, [b"after"]))

    assert [type(one) for one in failed] == [NotAppended] * 3
    assert producer.restarts == 1
    assert sorted(await read(kafka, 2)) == [b"after", b"before"]


async def test_closing_does_not_wait_for_a_broker_that_is_away(kafka, producer) -> None:
    kafka.set_down(1)
    (sent,) = await send_all(producer, [b"a"])

    await producer.close()

    with pytest.raises(NotAppended):
        await sent
    with pytest.raises(NotAppended, match="closed"):
        await (await producer.send(TOPIC, b"late", HEADERS))


async def test_a_record_above_the_limit_is_refused_here(kafka) -> None:
    made = KafkaProducer({"bootstrap.servers": kafka.bootstrap}, message_bytes=2000)

    (sent,) = await send_all(made, [b"x" * 5000])
    with pytest.raises(NotAppended, match="MSG_SIZE_TOO_LARGE"):
        await sent
    made.restart(message_bytes=10_000)
    await asyncio.gather(*await send_all(made, [b"x" * 5000]))

    await made.close()


async def test_a_topic_is_described(kafka, producer) -> None:
    state = await producer.topic_state(TOPIC, seconds=10)

    assert sorted(state.partitions) == [0, 1]
    assert all(one.has_leader and one.in_sync == 1 for one in state.partitions.values())
    assert state.trouble(TOPIC, None) is None


async def test_a_cluster_that_does_not_answer_is_a_state(kafka, producer) -> None:
    kafka.set_down(1)

    state = await producer.topic_state(TOPIC, seconds=0.5)

    assert state.error == ""
    assert "no broker answers" in (state.trouble(TOPIC, None) or "")


async def test_properties_that_the_library_refuses_are_told() -> None:
    with pytest.raises(KafkaUnusable, match="cannot be made"):
        KafkaProducer({"bootstrap.servers": "a:1", "security.protocol": "NONE"}, message_bytes=1)

"""Documents become records of the topics that their targets name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from ptingest.errors import KafkaUnusable
from ptingest.model.document import Document, Index
from ptingest.model.outcome import WriteResult
from ptingest.settings.sinks import KafkaSinkSettings
from ptingest.sinks.kafka import sink as module
from ptingest.sinks.kafka.sink import KafkaSink
from tests.fakes.kafka import (
    PRODUCE,
    TOPIC_AUTHORIZATION_FAILED,
    UNKNOWN_TOPIC_OR_PARTITION,
    MockKafka,
)
from tests.support.documents import document
from tests.support.kafka import records
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)
MURMUR2_OF_PARCEL_17 = 1536377551
"""As Java's client computes it."""
MESSAGE_TOO_LARGE = 10
"""In the Kafka protocol."""


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        for topic in ("logs", "others"):
            cluster.create_topic(topic, partitions=4)
        yield cluster


@pytest_asyncio.fixture
async def sink(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KafkaSink]:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(module, "ASK_SECONDS", 0.3)
    made = made_for(kafka)
    yield made
    await made.close()
    await made.close()


def made_for(kafka: MockKafka, **settings: Any) -> KafkaSink:
    # What brokers do not know is asked for again within 30 s unless told otherwise.
    often = {
        "topic.metadata.propagation.max.ms": 200,
        "topic.metadata.refresh.fast.interval.ms": 50,
    }
    values = {"brokers": kafka.bootstrap, **settings}
    return KafkaSink(KafkaSinkSettings.model_validate(values), properties=often)


def record(
    text: str, topic: str = "logs", key: str | None = None, plain: bytes | None = None
) -> Document:
    one = document(body=b'{"message":"%b"}' % text.encode())
    return replace(one, target=Index(topic, output="kafka"), routing=key, text=plain)


async def write(sink: KafkaSink, *documents: Document) -> WriteResult:
    return await sink.write(documents, frozenset())


async def test_each_document_is_a_record_with_its_key_in_the_partition_that_java_chooses(
    sink: KafkaSink, kafka: MockKafka
) -> None:
    batch = [
        record("1", key="parcel-17"),
        record("2", key="parcel-17", plain="a lïne".encode()),
        record("3", "others"),
    ]

    result = await write(sink, *batch)

    assert result == WriteResult(refused=[], busy=[], stream_busy=[])
    found = await asyncio.to_thread(records, kafka.bootstrap, "logs", 2)
    assert [(one.key, one.value) for one in found] == [
        (b"parcel-17", b'{"message":"1"}'),
        (b"parcel-17", "a lïne".encode()),
    ]
    assert {one.partition for one in found} == {MURMUR2_OF_PARCEL_17 % 4}
    (other,) = await asyncio.to_thread(records, kafka.bootstrap, "others", 1)
    assert (other.key, other.value) == (None, b'{"message":"3"}')


async def test_while_no_broker_answers_documents_wait_and_are_sent_once(
    sink: KafkaSink, kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(sink, record("0"))
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    batch = [record("1"), record("2")]
    kafka.set_down(1)
    await until(lambda: sink._producer is not None and sink._producer.last_error)

    for _ in range(3):
        result = await write(sink, *batch)
        assert result.busy == batch
        assert result.trouble is not None
    problems = [one for one in await sink.check() if not one.is_ok]
    assert all(one.stops_all for one in problems)
    assert problems
    kafka.set_up(1)
    await until(lambda: all(sent.done() for sent in sink._sent.values()))

    assert (await write(sink, *batch)).busy == []
    found = await asyncio.to_thread(records, kafka.bootstrap, "logs", 3)
    assert sorted(one.value for one in found) == [b'{"message":"%d"}' % n for n in range(3)]


async def test_records_that_wait_are_bounded(
    kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(module, "ASK_SECONDS", 0.3)
    sink = made_for(kafka, queue_bytes=4000)
    kafka.set_down(1)

    result = await write(sink, *[record(str(number)) for number in range(100)])

    assert len(result.busy) == 100
    assert len(sink._sent) == 4
    await sink.close()


async def test_what_events_gave_back_is_not_sent_when_brokers_return(
    sink: KafkaSink, kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(sink, record("0"))
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
    kafka.set_down(1)
    # From now on nothing is on its way.
    await until(lambda: sink._producer is not None and sink._producer.last_error)
    gone, resent = record("gone"), record("resent")
    await write(sink, gone)
    gone.receipt.fail("its connection closed")

    await write(sink, resent)
    kafka.set_up(1)
    await until(lambda: all(sent.done() for sent in sink._sent.values()))

    found = await asyncio.to_thread(records, kafka.bootstrap, "logs", 2)
    assert sorted(one.value for one in found or ()) == [
        b'{"message":"0"}',
        b'{"message":"resent"}',
    ]


async def test_a_record_that_is_too_large_is_refused_and_the_others_are_taken(
    sink: KafkaSink, kafka: MockKafka
) -> None:
    large, small = record("x" * (2 << 20)), record("small")

    result = await write(sink, large, small)

    assert [(one.document, one.reason) for one in result.refused] == [(large, "record_too_large")]
    assert result.busy == []


async def test_a_batch_that_is_refused_for_its_size_is_sent_record_by_record(
    sink: KafkaSink, kafka: MockKafka
) -> None:
    kafka.fail_requests(PRODUCE, MESSAGE_TOO_LARGE, 1)
    batch = [record(str(number), key="k") for number in range(5)]

    result = await write(sink, *batch)

    assert (result.refused, result.busy) == ([], [])
    assert len(await asyncio.to_thread(records, kafka.bootstrap, "logs", 5)) == 5


async def test_a_record_that_is_refused_even_alone_is_a_letter(
    sink: KafkaSink, kafka: MockKafka
) -> None:
    kafka.fail_requests(PRODUCE, MESSAGE_TOO_LARGE, 2)
    one = record("1")

    result = await write(sink, one)

    assert [(it.document, it.reason) for it in result.refused] == [(one, "record_too_large")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UNKNOWN_TOPIC_OR_PARTITION, "topic_missing"),
        (TOPIC_AUTHORIZATION_FAILED, "topic_forbidden"),
    ],
)
async def test_a_topic_that_takes_nothing_holds_up_its_own_documents_only(
    sink: KafkaSink, kafka: MockKafka, error: int, reason: str
) -> None:
    kafka.set_topic_error("others", error)
    bad, good = record("1", "others"), record("2")
    answered: list[WriteResult] = []

    for _ in range(100):
        answered.append(await write(sink, *([bad, good] if not answered else [bad])))
        if answered[-1].stream_busy:
            break

    assert good not in answered[0].busy
    (refusal,) = answered[-1].stream_busy
    assert (refusal.document, refusal.reason) == (bad, reason)
    assert "others" in refusal.detail
    assert answered[-1].trouble is None


async def test_a_check_asks_the_brokers_and_then_the_topic(
    sink: KafkaSink, kafka: MockKafka
) -> None:
    first = await sink.check()
    await write(sink, record("1"))
    second = await sink.check()
    kafka.set_topic_error("logs", TOPIC_AUTHORIZATION_FAILED)
    third = await sink.check()

    assert [one.subject for one in (*first, *second)] == ["brokers", "topic logs"]
    assert all(one.is_ok for one in (*first, *second))
    assert [(one.is_ok, one.stops_all) for one in third] == [(False, False)]


def test_a_file_that_is_missing_is_told_at_the_start() -> None:
    settings = KafkaSinkSettings.model_validate(
        {"brokers": "localhost:9092", "tls": {"ca_file": "/nowhere/ca.pem"}}
    )

    with pytest.raises(KafkaUnusable, match=r"ssl\.ca\.location"):
        KafkaSink(settings)

"""What the client library gives, in words of our own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from ptingest.kafka.polled import KafkaRecord, read_failed, record_of
from tests.fakes.kafka import MockKafka


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        yield kafka


@pytest.mark.parametrize("value", [b"an event", b"", None])
def test_a_message_is_a_record_with_its_place(kafka: MockKafka, value: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    producer.produce("logs", value, partition=0, headers=[("a", b"1")], timestamp=1_700_000_000_000)
    assert producer.flush(30) == 0
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "log_level": 0})
    reader.assign([TopicPartition("logs", 0, 0)])

    (message,) = reader.consume(1, 30)
    reader.close()

    found = record_of(message)
    # The mock keeps the time of the batch.
    assert found == KafkaRecord("logs", 0, 0, found.millis, value, [("a", b"1")])
    assert found.millis > 0


def test_an_error_keeps_its_name_and_says_where() -> None:
    error = read_failed(KafkaError(KafkaError._ALL_BROKERS_DOWN), "logs/3: ")

    assert error.name == "_ALL_BROKERS_DOWN"
    assert str(error).startswith("_ALL_BROKERS_DOWN: logs/3: ")

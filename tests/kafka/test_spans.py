"""Stretches of partitions are read to their end, and no further; over librdkafka's mock cluster.

Offsets at a time are asked of a real broker, in tests/peers; the mock does not know them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from ptingest.errors import KafkaLeaderless, KafkaReadFailed, KafkaUnusable
from ptingest.kafka.polled import Partition
from ptingest.kafka.spans import Gap, Span, SpanReader, Stretch
from tests.fakes.kafka import MockKafka

FIRST, SECOND = Partition("logs", 0), Partition("logs", 1)


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    """A topic of two partitions with ten records each, that hold their offsets."""
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        for offset in range(10):
            for number in (0, 1):
                producer.produce("logs", str(offset).encode(), partition=number)
        assert producer.flush(30) == 0
        yield kafka


@pytest.fixture
def reader(kafka: MockKafka) -> Iterator[SpanReader]:
    reader = SpanReader({"bootstrap.servers": kafka.bootstrap})
    yield reader
    reader.close()


def read_all(reader: SpanReader, partitions: int) -> Stretch:
    """Everything until so many partitions have ended."""
    together = Stretch([], [], [])
    while len(together.ended) < partitions:
        for all_of, some in zip(together, reader.read(0.2, 4), strict=True):
            all_of += some  # type: ignore[operator]
    return together


def offsets(stretch: Stretch, partition: Partition) -> list[int]:
    return [one.offset for one in stretch.records if one.partition == partition.number]


def test_each_partition_is_read_from_its_first_offset_to_its_end(reader: SpanReader) -> None:
    reader.begin({FIRST: Span(2, 5), SECOND: Span(0, 10)})

    found = read_all(reader, 2)

    assert offsets(found, FIRST) == [2, 3, 4]
    assert offsets(found, SECOND) == list(range(10))
    assert [one.value for one in found.records if one.partition == 0] == [b"2", b"3", b"4"]
    assert sorted(found.ended) == [FIRST, SECOND]
    assert found.gaps == []
    assert reader.trouble is None


def test_an_end_beyond_the_last_record_is_reached_all_the_same(reader: SpanReader) -> None:
    reader.begin({FIRST: Span(8, 12)})

    found = read_all(reader, 1)

    assert offsets(found, FIRST) == [8, 9]


def test_records_that_are_gone_are_told_and_the_rest_is_read(
    kafka: MockKafka, reader: SpanReader
) -> None:
    kafka.delete_records("logs", 0, before=4)
    reader.begin({FIRST: Span(1, 7)})

    found = read_all(reader, 1)

    assert found.gaps == [Gap(FIRST, 1, 4)]
    assert offsets(found, FIRST) == [4, 5, 6]


def test_no_broker_at_the_start_is_told(kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ptingest.kafka.spans.REQUEST_SECONDS", 0.2)
    kafka.set_down(1)
    reader = SpanReader({"bootstrap.servers": kafka.bootstrap})

    with pytest.raises(KafkaReadFailed, match="_TRANSPORT") as failed:
        reader.spans(["logs"], 0, None)

    assert not isinstance(failed.value, KafkaLeaderless)
    reader.close()


def test_a_partition_without_a_leader_is_to_be_asked_for_again(
    kafka: MockKafka, reader: SpanReader
) -> None:
    kafka.set_leader("logs", 0, -1)

    with pytest.raises(KafkaLeaderless):
        reader.spans(["logs"], 0, None)


@pytest.mark.timeout(60)
def test_what_is_there_of_a_partition_without_a_leader_is_read_when_it_has_one(
    kafka: MockKafka, reader: SpanReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.delete_records("logs", 0, before=4)
    within, asked = reader._within, []

    def leaderless_once(one: Partition, first: int | None, end: int | None) -> tuple[int, int]:
        asked.append(one)
        if len(asked) == 1:
            raise KafkaLeaderless("LEADER_NOT_AVAILABLE", "logs/0: nobody")
        return within(one, first, end)

    monkeypatch.setattr(reader, "_within", leaderless_once)
    reader.begin({FIRST: Span(1, 7)})

    found = read_all(reader, 1)

    assert asked == [FIRST, FIRST]
    assert found.gaps == [Gap(FIRST, 1, 4)]
    assert offsets(found, FIRST) == [4, 5, 6]


def test_a_topic_that_is_not_there_is_named(reader: SpanReader) -> None:
    with pytest.raises(KafkaReadFailed, match="there is no topic nothing"):
        reader.spans(["nothing"], 0, None)


def test_properties_that_make_no_sense_are_named() -> None:
    with pytest.raises(KafkaUnusable, match="the Kafka client cannot be made"):
        SpanReader({"bootstrap.servers": "127.0.0.1:1", "security.protocol": "nonsense"})

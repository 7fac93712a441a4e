"""The source on a real Kafka: groups, restarts, and what brokers do to offsets."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.peers.kafka_peer import Kafka
from tests.support.kafka import Downstream, Reading, committed, send
from tests.support.kafka import reading_steadily as reading

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


def rows(one: Reading) -> list[dict[str, Any]]:
    return one.source.status()["listed"]  # type: ignore[return-value]


async def test_a_second_member_takes_a_part_while_events_pass(kafka: Kafka) -> None:
    topic = group = "rebalanced"
    kafka.create_topic(topic, partitions=4)
    first, second = Downstream(), Downstream()

    async with reading(kafka.bootstrap, first, topic, group=group) as one:
        # In a thread: the loop must go on while the member joins.
        for partition in range(4):
            before = numbered(500, partition * 1000)
            await asyncio.to_thread(send, kafka.bootstrap, topic, *before, partition=partition)
        await one.until_read(first, 500)
        async with reading(kafka.bootstrap, second, topic, group=group) as other:
            await other.until(lambda: len(rows(other)) == 2)
            for partition in range(4):
                more = numbered(500, partition * 1000 + 500)
                await asyncio.to_thread(send, kafka.bootstrap, topic, *more, partition=partition)
            await one.until(lambda: len({*first.admitted, *second.admitted}) == 4000)
            assert len(rows(one)) == 2
            await other.until(lambda: [row["committed"] for row in rows(other)] == [1000] * 2)
            await other.stop()
        await one.until(lambda: [row["committed"] for row in rows(one)] == [1000] * 4)
        await one.stop()

    # Nothing was under way for longer than the rebalance waits, so nothing was read twice.
    assert Counter([*first.admitted, *second.admitted]).most_common(1)[0][1] == 1
    assert committed(kafka.bootstrap, topic, group=group, partitions=4) == [1000] * 4


async def test_a_rebalance_waits_for_what_is_under_way(kafka: Kafka) -> None:
    topic = group = "under-way"
    kafka.create_topic(topic, partitions=2)
    first, second = Downstream(is_settling=False), Downstream()

    async with reading(kafka.bootstrap, first, topic, group=group) as one:
        for partition in (0, 1):
            send(kafka.bootstrap, topic, *numbered(10, partition * 100), partition=partition)
        await one.until_read(first, 20)
        async with reading(kafka.bootstrap, second, topic, group=group) as other:
            await one.until(lambda: len(rows(one)) == 2 and one.source._readers and _is_going(one))
            first.settle_all()
            await other.until(lambda: len(rows(other)) == 1)
            await other.stop()
        await one.stop()

    assert second.admitted == []
    assert committed(kafka.bootstrap, topic, group=group, partitions=2) == [10, 10]


def _is_going(one: Reading) -> bool:
    return any(reader.is_over for reader in one.source._readers.values())


async def test_what_is_not_safe_in_time_is_given_back_and_read_by_the_other(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.sources.kafka.source.REVOKE_SECONDS", 0.5)
    topic = group = "not-in-time"
    kafka.create_topic(topic, partitions=2)
    first, second = Downstream(is_settling=False), Downstream()

    async with reading(kafka.bootstrap, first, topic, group=group) as one:
        for partition in (0, 1):
            send(kafka.bootstrap, topic, *numbered(10, partition * 100), partition=partition)
        await one.until_read(first, 20)
        async with reading(kafka.bootstrap, second, topic, group=group) as other:
            await other.until_read(second, 10)
            assert one.value("ptingest_kafka_given_back_events_total", topic) == 10
            first.settle_all()
            await other.stop()
        await one.until_read(first, 20)
        await one.stop()

    assert set(second.admitted) < set(first.admitted)
    assert committed(kafka.bootstrap, topic, group=group, partitions=2) == [10, 10]


async def test_backpressure_longer_than_the_poll_interval_keeps_the_partitions(
    kafka: Kafka,
) -> None:
    topic = group = "backpressure"
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(5000))
    down = Downstream()
    down.open.clear()
    limits = {"max.poll.interval.ms": 4000, "session.timeout.ms": 4000}
    settings = {"partition_bytes": 4096, "group": group, "properties": limits}

    async with reading(kafka.bootstrap, down, topic, **settings) as one:
        await one.until(lambda: any(row["paused"] for row in rows(one)))
        assigned = one.value("ptingest_kafka_rebalances_total")
        began_at = asyncio.get_running_loop().time()
        await one.until(lambda: asyncio.get_running_loop().time() > began_at + 9.0)

        assert down.admitted == []
        assert one.value("ptingest_kafka_rebalances_total") == assigned
        down.open.set()
        await one.until_read(down, 5000)
        await one.stop()

    assert down.admitted == numbered(5000)
    assert committed(kafka.bootstrap, topic, group=group) == [5000]


async def test_a_topic_that_is_deleted_is_told_and_others_are_read_on(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 0.5)
    kafka.create_topic("stays")
    kafka.create_topic("goes")
    down = Downstream()

    async with reading(kafka.bootstrap, down, ["stays", "goes"], group="deleted") as one:
        send(kafka.bootstrap, "goes", b'{"n":1}')
        await one.until_read(down, 1)
        await asyncio.to_thread(kafka.delete_topic, "goes")
        await one.until(one.source.troubles)
        (trouble,) = one.source.troubles()
        send(kafka.bootstrap, "stays", b'{"n":2}')
        await one.until_read(down, 2)
        await asyncio.to_thread(kafka.create_topic, "goes")
        send(kafka.bootstrap, "goes", b'{"n":3}')
        await one.until_read(down, 3)
        await one.until(lambda: not one.source.troubles())

    assert trouble == "topic goes does not exist; it is read when it is made"
    assert down.admitted == [b'{"n":1}', b'{"n":2}', b'{"n":3}']


async def test_a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 0.5)
    topic = group = "anew-while-read"
    kafka.create_topic(topic)
    down = Downstream()

    async with reading(kafka.bootstrap, down, topic, group=group) as one:
        send(kafka.bootstrap, topic, *numbered(20))
        await one.until_read(down, 20)
        await one.until(lambda: rows(one)[0]["committed"] == 20)
        await asyncio.to_thread(kafka.delete_topic, topic)
        await asyncio.to_thread(kafka.create_topic, topic)
        # More than the old one had: the old offset could be read on.
        send(kafka.bootstrap, topic, *numbered(50, 100))
        await one.until(lambda: set(down.admitted) == set(numbered(20) + numbered(50, 100)))
        await one.until(lambda: [row["committed"] for row in rows(one)] == [50])

    assert "anew-while-read/0: the topic was deleted and made anew while it was read" in caplog.text
    assert committed(kafka.bootstrap, topic, group=group) == [50]


async def test_what_comes_while_the_latest_is_read_is_read_from_its_beginning(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 0.5)
    grows, goes = "latest-grows", "latest-goes"
    for topic in (grows, goes):
        kafka.create_topic(topic)
        send(kafka.bootstrap, topic, *numbered(3))
    down, soon = Downstream(), {"topic.metadata.refresh.interval.ms": 500}

    async with reading(
        kafka.bootstrap, down, [grows, goes], group=grows, start="latest", properties=soon
    ) as one:
        await one.until(lambda: [row["committed"] for row in rows(one)] == [3, 3])
        await asyncio.to_thread(kafka.delete_topic, goes)
        await one.until(lambda: goes in " ".join(one.source.troubles()) and len(rows(one)) == 1)
        await asyncio.to_thread(kafka.create_topic, goes)
        await asyncio.to_thread(kafka.add_partitions, grows, 2)
        send(kafka.bootstrap, grows, *numbered(10, 100), partition=1)
        send(kafka.bootstrap, goes, *numbered(10, 200))
        await one.until(lambda: set(down.admitted) == set(numbered(10, 100) + numbered(10, 200)))

    assert "latest-goes/0: the topic was deleted and made anew while it was read" in caplog.text


def in_transaction(kafka: Kafka, topic: str, *values: bytes, is_aborted: bool = False) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(60)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.flush(60)
    if is_aborted:
        producer.abort_transaction(60)
    else:
        producer.commit_transaction(60)


async def test_marks_of_transactions_are_no_lag_and_are_committed(kafka: Kafka) -> None:
    topic = group = "transactions"
    kafka.create_topic(topic)
    in_transaction(kafka, topic, *numbered(5))
    down = Downstream()

    async with reading(kafka.bootstrap, down, topic, group=group) as one:
        await one.until_read(down, 5)
        await one.until(lambda: [(row["lag"], row["committed"]) for row in rows(one)] == [(0, 6)])
        await asyncio.to_thread(in_transaction, kafka, topic, *numbered(5), is_aborted=True)
        await one.until(lambda: [(row["lag"], row["committed"]) for row in rows(one)] == [(0, 12)])

    assert down.admitted == numbered(5)


async def test_records_that_retention_took_are_counted_and_the_rest_is_read(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic = group = "retained"
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(5))
    down, later = Downstream(), Downstream()
    async with reading(kafka.bootstrap, down, topic, group=group) as one:
        await one.until_read(down, 5)
        await one.stop()
    send(kafka.bootstrap, topic, *numbered(10, 5))
    kafka.delete_records(topic, 0, 9)

    async with reading(kafka.bootstrap, later, topic, group=group, start="latest") as one:
        await one.until_read(later, 6)
        assert one.value("ptingest_kafka_lost_records_total", topic) == 4

    assert later.admitted == numbered(6, 9)
    assert "retained/0: 4 records from offset 5 on are gone" in caplog.text


async def test_a_topic_made_anew_is_read_from_its_beginning(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    topic = group = "anew"
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(20))
    down, later = Downstream(), Downstream()
    async with reading(kafka.bootstrap, down, topic, group=group) as one:
        await one.until_read(down, 20)
        await one.stop()
    kafka.delete_topic(topic)
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(3, 100))

    async with reading(kafka.bootstrap, later, topic, group=group) as one:
        await one.until_read(later, 3)

    assert later.admitted == numbered(3, 100)


async def test_a_time_is_where_a_new_group_begins(kafka: Kafka) -> None:
    topic = "timed"
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(5))
    found = Downstream()
    async with reading(kafka.bootstrap, found, topic, group="timed-1") as one:
        await one.until_read(found, 5)
    places = found.origins[0].records or {}
    last = max(place.millis for place in places.values())
    moment = datetime.fromtimestamp((last + 1) / 1000, UTC).isoformat()
    send(kafka.bootstrap, topic, *numbered(5, 5))
    down = Downstream()

    async with reading(kafka.bootstrap, down, topic, group="timed-2", start=moment) as one:
        await one.until_read(down, 5)
        await one.stop()

    assert down.admitted == numbered(5, 5)


async def test_from_the_latest_on_nothing_is_left_out_after_a_restart(kafka: Kafka) -> None:
    topic = group = "latest"
    kafka.create_topic(topic)
    send(kafka.bootstrap, topic, *numbered(5))
    first, second = Downstream(), Downstream()
    async with reading(kafka.bootstrap, first, topic, group=group, start="latest") as one:
        await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))
        await one.stop()
    send(kafka.bootstrap, topic, *numbered(5, 5))

    async with reading(kafka.bootstrap, second, topic, group=group, start="latest") as one:
        await one.until_read(second, 5)

    assert first.admitted == []
    assert second.admitted == numbered(5, 5)


async def test_a_killed_broker_costs_nothing(killable_kafka: Kafka) -> None:
    kafka, topic = killable_kafka, "killed"
    kafka.create_topic(topic, partitions=2)
    for partition in (0, 1):
        send(kafka.bootstrap, topic, *numbered(50, partition * 1000), partition=partition)
    down = Downstream()
    async with reading(kafka.bootstrap, down, topic, group=topic) as one:
        await one.until_read(down, 100)
        await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))

        await asyncio.to_thread(kafka.kill)
        await one.until(one.source.troubles)
        await asyncio.to_thread(kafka.start)
        for partition in (0, 1):
            more = numbered(50, partition * 1000 + 50)
            await asyncio.to_thread(send, kafka.bootstrap, topic, *more, partition=partition)
        await one.until(lambda: len(set(down.admitted)) == 200)
        await one.until(lambda: not one.source.troubles())
        # The group may still be joined again, for longer than a stop waits.
        await one.until(lambda: [row["committed"] for row in rows(one)] == [100, 100])
        await one.stop()

    assert committed(kafka.bootstrap, topic, group=topic, partitions=2) == [100, 100]

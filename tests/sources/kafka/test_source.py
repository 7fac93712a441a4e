"""The source over librdkafka's mock cluster: offsets behind what is safe, whatever happens."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ptingest.kafka.polled import Partition
from tests.fakes.kafka import (
    HEARTBEAT,
    NOT_COORDINATOR,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    TOPIC_AUTHORIZATION_FAILED,
    UNKNOWN_MEMBER,
    MockKafka,
)
from tests.support.kafka import Downstream, Reading, committed, reading, send

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


async def test_everything_is_read_in_order_and_committed_while_it_runs() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        for partition in (0, 1):
            send(kafka.bootstrap, "logs", *numbered(700, 1000 * partition), partition=partition)
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 1400)
            await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))

            for partition in (0, 1):
                first = 1000 * partition
                mine = [p for p in down.admitted if first <= int(p[5:-1]) < first + 1000]
                assert mine == numbered(700, first)
            assert one.value("ptingest_kafka_settled_events_total", "logs") == 1400
            await one.stop()

        assert committed(kafka.bootstrap, "logs", partitions=2) == [700, 700]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "none"])
async def test_batches_are_read_however_they_are_compressed(codec: str) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(300), compression_type=codec, linger_ms=50)
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 300)

        assert down.admitted == numbered(300)


async def test_nothing_is_committed_past_a_record_that_is_not_safe() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(3))
        down = Downstream(is_settling=False)

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 3)
            send(kafka.bootstrap, "logs", *numbered(3, 3))
            await one.until_read(down, 6)
            down.held[-1].settle()
            await one.stop(1.0)

        assert committed(kafka.bootstrap, "logs") == [0]
        assert one.value("ptingest_kafka_given_back_events_total", "logs") == 3


async def test_what_was_not_committed_is_read_again_by_the_next() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(10))
        first, second = Downstream(is_settling=False), Downstream()

        async with reading(kafka.bootstrap, first, "logs") as one:
            await one.until_read(first, 10)
            await one.stop(0.5)
        async with reading(kafka.bootstrap, second, "logs") as one:
            await one.until_read(second, 10)

        assert second.admitted == numbered(10)
        assert (
            [first.origins[0].records[id(p)] for p in first.admitted[:1]]
            == [  # type: ignore[index]
                second.origins[0].records[id(p)]
                for p in second.admitted[:1]  # type: ignore[index]
            ]
        )


async def test_a_run_that_fails_is_read_again_and_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ptingest.sources.kafka.partition.FIRST_BACKOFF_SECONDS", 0.05)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(600))
        down = Downstream()
        down.failing = "the dead letters are full"

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until(lambda: down.given_back >= 2)
            down.failing = None
            await one.until(lambda: one.value("ptingest_kafka_settled_events_total", "logs") >= 600)
            await one.stop()

        assert set(down.admitted) == set(numbered(600))
        assert one.value("ptingest_kafka_settled_events_total", "logs") == 600
        assert committed(kafka.bootstrap, "logs") == [600]


async def test_a_slow_partition_is_paused_and_the_others_are_read_on() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        large = [b'{"n":%d,"text":"%s"}' % (number, b"x" * 1000) for number in range(100)]
        send(kafka.bootstrap, "logs", *large, partition=0)
        down = Downstream()
        settles = down.admit

        async def slow_for_large(payloads: Any, receipt: Any, origin: Any) -> None:
            down.is_settling = len(payloads[0]) < 1000
            await settles(payloads, receipt, origin)

        down.admit = slow_for_large  # type: ignore[method-assign]
        async with reading(kafka.bootstrap, down, "logs", partition_bytes=20_000) as one:
            await one.until(lambda: any(row["paused"] for row in _rows(one)))
            send(kafka.bootstrap, "logs", *numbered(50), partition=1)
            quick = set(numbered(50))
            await one.until(lambda: quick <= set(down.admitted))

            (paused,) = [row for row in _rows(one) if row["paused"]]
            assert paused["partition"] == 0
            down.admit = settles  # type: ignore[method-assign]
            down.settle_all()
            await one.until(lambda: not any(row["paused"] for row in _rows(one)))


def _rows(one: Any) -> list[dict[str, Any]]:
    return one.source.status()["listed"]  # type: ignore[no-any-return]


async def test_commits_that_are_refused_are_tried_again_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(10))
        down = Downstream()
        kafka.fail_requests(OFFSET_COMMIT, TOPIC_AUTHORIZATION_FAILED, 3)

        with caplog.at_level(logging.INFO):
            async with reading(kafka.bootstrap, down, "logs") as one:
                await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))

        assert one.value("ptingest_kafka_commits_total", "refused") == 3
        told = [record.message for record in caplog.records if "committed" in record.message]
        assert len([one for one in told if "are not committed (TOPIC_AUTH" in one]) == 1
        assert "offsets are committed again" in told
        assert committed(kafka.bootstrap, "logs") == [10]


def committed_here(one: Reading) -> list[int]:
    """The offsets that were committed of the partitions that this member holds now."""
    rows: Any = one.source.status()["listed"]
    return [row["committed"] for row in rows]


@pytest.mark.parametrize("start", ["earliest", "latest"])
async def test_a_coordinator_that_moves_while_offsets_are_asked_for_costs_nothing(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.sources.kafka.source.AGAIN_SECONDS", 0.1)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down, later = Downstream(), Downstream()
        kafka.fail_requests(OFFSET_FETCH, NOT_COORDINATOR, 3)
        async with reading(kafka.bootstrap, down, "logs", start=start) as one:
            await one.until(lambda: committed_here(one) == [5])
            assert one.source.troubles() == []
        send(kafka.bootstrap, "logs", *numbered(5, 5))

        kafka.fail_requests(OFFSET_FETCH, NOT_COORDINATOR, 3)
        async with reading(kafka.bootstrap, later, "logs", start=start) as one:
            await one.until_read(later, 5)
            assert one.source.troubles() == []

        assert down.admitted == (numbered(5) if start == "earliest" else [])
        assert later.admitted == numbered(5, 5)


async def test_a_coordinator_that_moves_costs_nothing() -> None:
    with MockKafka(brokers=3) as kafka:
        kafka.create_topic("logs")
        kafka.set_coordinator("group", 1)
        send(kafka.bootstrap, "logs", *numbered(10))
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))
            kafka.set_coordinator("group", 2)
            kafka.fail_requests(OFFSET_COMMIT, NOT_COORDINATOR, 1)
            send(kafka.bootstrap, "logs", *numbered(10, 10))
            await one.until_read(down, 20)
            # A member that the new coordinator does not know joins once more before it commits.
            await one.until(lambda: committed_here(one) == [20])

        assert set(down.admitted) == set(numbered(20))
        assert committed(kafka.bootstrap, "logs") == [20]


async def test_a_single_member_that_its_group_lost_joins_again_and_blames_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs", session_seconds=1.0) as one:
            await one.until_read(down, 5)
            kafka.fail_requests(HEARTBEAT, UNKNOWN_MEMBER, 1)
            await one.until(lambda: "lost logs 0" in caplog.text)
            send(kafka.bootstrap, "logs", *numbered(5, 5))
            await one.until(lambda: set(down.admitted) == set(numbered(10)))

        assert "other member" not in caplog.text


async def test_a_member_that_waits_to_be_let_in_is_a_trouble_until_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ptingest.sources.kafka.troubles.JOIN_SECONDS", 0.0)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        gone, down = Downstream(), Downstream()
        async with reading(kafka.bootstrap, gone, "logs", session_seconds=4.0) as one:
            await one.until_read(gone, 5)

        # The mock keeps the place of a member that left until its session ends.
        soon = {"statistics.interval.ms": 100}
        async with reading(kafka.bootstrap, down, "logs", properties=soon) as one:
            (trouble,) = await one.until(one.source.troubles)
            send(kafka.bootstrap, "logs", *numbered(5, 5))
            await one.until_read(down, 5)
            await one.until(lambda: not one.source.troubles())

        assert trouble.startswith("group group has not let this member in for")


async def test_no_broker_is_a_trouble_until_one_is_back() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 5)
            kafka.set_down(1)
            await one.until(one.source.troubles)
            (trouble,) = one.source.troubles()
            kafka.set_up(1)
            send(kafka.bootstrap, "logs", *numbered(5, 5))
            await one.until_read(down, 10)
            await one.until(lambda: not one.source.troubles())

        assert trouble.startswith("no broker answers (")


async def test_a_consumer_that_lost_brokers_which_answer_others_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ptingest.kafka.statistics.LOST_REPORTS", 5)
    monkeypatch.setattr("ptingest.kafka.stranded.AGAIN_SECONDS", 0.2)
    monkeypatch.setattr("ptingest.sources.kafka.source.AGAIN_SECONDS", 0.1)
    monkeypatch.setattr("ptingest.sources.kafka.source.LEAVE_SECONDS", 0.5)
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 0.2)
    quick = {
        "statistics.interval.ms": 100,
        "topic.metadata.refresh.interval.ms": 200,
        # Now and then the client finds brokers again by itself, and need not be replaced.
        "metadata.recovery.strategy": "none",
    }
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream()

        async with reading(
            kafka.bootstrap, down, "logs", session_seconds=1.0, properties=quick
        ) as one:
            await one.until_read(down, 5)
            # The brokers' list is empty, as it is while the only one is fenced ...
            kafka.delete_topic("logs")
            kafka.fence(1)
            await one.until(lambda: one.source._consumer.statistics.is_lost)
            away = caplog.text
            # ... and later it is not, but this consumer has nobody left to ask.
            kafka.add_broker(2)
            kafka.create_topic("logs")
            kafka.set_coordinator("group", 2)
            send(kafka.bootstrap, "logs", *numbered(5, 5))
            await one.until_read(down, 10)
            await one.until(lambda: not one.source.troubles())

        assert "the consumer ended" not in away
        assert "it has lost all brokers, and they answer a new one" in caplog.text
        assert down.admitted == numbered(10)


async def test_the_log_names_all_that_is_read_and_nothing_where_a_rebalance_brought_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="ptingest.sources.kafka.source")
    async with reading("127.0.0.1:9", Downstream(), "logs") as one:
        for added in ([], [Partition("logs", 1)], [], [Partition("logs", 0)], []):
            await one.source.assigned(added)

    first, second, third = [record.getMessage() for record in caplog.records][:3]
    assert first.startswith("reads now: no partition (")
    assert (second, third) == ("reads now: logs 1", "reads now: logs 0, 1")


async def test_a_topic_that_may_not_be_read_is_a_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        kafka.set_topic_error("logs", TOPIC_AUTHORIZATION_FAILED)
        down = Downstream()

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until(one.source.troubles)
            (trouble,) = one.source.troubles()

        assert trouble.startswith("topic logs cannot be read (TOPIC_AUTHORIZATION_FAILED")
        assert caplog.text.count("cannot be read") == 1


async def test_records_that_are_gone_are_told_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream()
        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 5)
        send(kafka.bootstrap, "logs", *numbered(10, 5))
        kafka.delete_records("logs", 0, 9)
        later = Downstream()

        async with reading(kafka.bootstrap, later, "logs", start="latest") as one:
            await one.until_read(later, 6)

            assert one.value("ptingest_kafka_lost_records_total", "logs") == 4
        assert later.admitted == numbered(6, 9)
        (told,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert "logs/0: 4 records from offset 5 on are gone" in told.message


def make_anew(kafka: MockKafka) -> None:
    """Delete the topic and make another of its name, with 40 records: more than the old one had, so
    that the old offset could be read on."""
    kafka.delete_topic("logs")
    kafka.create_topic("logs")
    send(kafka.bootstrap, "logs", *numbered(40, 100))


@pytest.mark.parametrize("topics", ["logs", "^lo.*"])
async def test_a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning(
    topics: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 0.2)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(20))
        down = Downstream()

        async with reading(kafka.bootstrap, down, topics, start="latest") as one:
            await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))
            send(kafka.bootstrap, "logs", *numbered(5, 20))
            await one.until_read(down, 5)
            await one.until(lambda: committed_here(one) == [25])
            make_anew(kafka)
            await one.until_read(down, 45)
            await one.until(lambda: committed_here(one) == [40])

        assert set(down.admitted) == set(numbered(5, 20) + numbered(40, 100))
        (told,) = [r.message for r in caplog.records if r.levelno == logging.ERROR]
        assert told.startswith("logs/0: the topic was deleted and made anew while it was read")
        assert committed(kafka.bootstrap, "logs") == [40]


async def test_a_topic_that_was_made_anew_before_a_crash_is_read_from_its_beginning_afterwards(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 3600.0)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(20))
        down, later = Downstream(), Downstream()
        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 20)
            await one.until(lambda: committed_here(one) == [20])
            # Nobody has looked yet: the new topic is read from the old offset on.
            make_anew(kafka)
            await one.until_read(down, 40)
            await one.until(lambda: committed_here(one) == [40])

        async with reading(kafka.bootstrap, later, "logs") as one:
            await one.until_read(later, 40)
            await one.until(lambda: committed_here(one) == [40])
        assert down.admitted == numbered(20) + numbered(20, 120)
        assert set(later.admitted) == set(numbered(40, 100))
        assert "logs/0: the topic was deleted and made anew" in caplog.text
        again = Downstream()
        caplog.clear()
        send(kafka.bootstrap, "logs", *numbered(5, 200))
        async with reading(kafka.bootstrap, again, "logs") as one:
            await one.until_read(again, 5)
        assert again.admitted == numbered(5, 200)
        assert "made anew" not in caplog.text


async def test_a_topic_that_comes_while_the_latest_is_read_is_read_from_its_beginning() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs-old")
        send(kafka.bootstrap, "logs-old", *numbered(20))
        down = Downstream()
        soon = {"topic.metadata.refresh.interval.ms": 200}

        async with reading(
            kafka.bootstrap, down, "^logs-.*", start="latest", properties=soon
        ) as one:
            await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))
            kafka.create_topic("logs-new")
            send(kafka.bootstrap, "logs-new", *numbered(5, 100))
            await one.until_read(down, 5)
            send(kafka.bootstrap, "logs-old", *numbered(5, 20))
            await one.until_read(down, 10)

        assert set(down.admitted) == set(numbered(5, 100) + numbered(5, 20))


async def test_a_pattern_reads_the_topics_that_it_finds() -> None:
    with MockKafka() as kafka:
        for topic in ("logs-a", "logs-b", "other"):
            kafka.create_topic(topic)
            send(kafka.bootstrap, topic, b'{"of":"%s"}' % topic.encode())
        down = Downstream()

        async with reading(kafka.bootstrap, down, "^logs-.*") as one:
            await one.until_read(down, 2)
            status = one.source.status()

        assert sorted(down.admitted) == [b'{"of":"logs-a"}', b'{"of":"logs-b"}']
        assert status["partitions"] == 2


async def test_the_lag_is_what_is_not_safe_yet() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream(is_settling=False)

        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 5)
            await one.until(lambda: one.value("ptingest_kafka_lag_records", "logs", "0") == 5)
            assert one.value("ptingest_kafka_oldest_unsettled_seconds", "logs") > 0
            down.settle_all()
            await one.until(lambda: one.value("ptingest_kafka_lag_records", "logs", "0") == 0)


@pytest.mark.parametrize("backlog", [0, 7])
async def test_the_lag_is_known_after_a_restart_before_anything_is_safe(backlog: int) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        down = Downstream()
        async with reading(kafka.bootstrap, down, "logs") as one:
            await one.until_read(down, 5)
            await one.stop()
        send(kafka.bootstrap, "logs", *numbered(backlog, 5))

        async with reading(kafka.bootstrap, Downstream(is_settling=False), "logs") as one:
            await one.until(lambda: [row["lag"] for row in _rows(one)] == [backlog])
            assert one.source.status()["lag"] == backlog


async def test_where_a_group_begins_is_committed_before_anything_is_read() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))

        async with reading(
            kafka.bootstrap, Downstream(), "logs", start="latest", commit_seconds=3600
        ) as one:
            await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))
            at_first = committed(kafka.bootstrap, "logs")

        assert at_first == [5]

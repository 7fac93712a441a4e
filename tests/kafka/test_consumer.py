"""A member of a group, over librdkafka's own mock cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from ptingest.errors import KafkaReadFailed, KafkaUnusable
from ptingest.kafka.consumer import KafkaConsumer
from ptingest.kafka.polled import Beginning, KafkaRecord, Partition
from ptingest.kafka.topics_seen import TopicsSeen
from tests.fakes.kafka import OFFSET_COMMIT, TOPIC_AUTHORIZATION_FAILED, MockKafka
from tests.support.kafka import committed, send

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


class Owner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.held: list[Partition] = []
        self.gone: list[Partition] = []
        self.beginnings: dict[Partition, Beginning] = {}
        self.answer: dict[Partition, int] = {}
        """What ``revoked`` returns."""
        self.may_come, self.may_go = asyncio.Event(), asyncio.Event()
        self.may_come.set()
        self.may_go.set()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        await self.may_come.wait()
        self.held += partitions

    async def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        await self.may_go.wait()
        self.gone += partitions
        return self.answer

    async def lost(self, partitions: Sequence[Partition]) -> None:
        self.gone += partitions

    async def begun(self, partition: Partition, beginning: Beginning) -> None:
        self.beginnings[partition] = beginning


@asynccontextmanager
async def member(
    kafka: MockKafka, owner: Owner, *topics: str, start: str | int = "earliest"
) -> AsyncIterator[KafkaConsumer]:
    # The mock waits for nearly a session before it deals partitions out anew.
    properties = {
        "bootstrap.servers": kafka.bootstrap,
        "group.id": "group",
        "session.timeout.ms": 3000,
    }
    consumer = KafkaConsumer(
        properties,
        topics,
        owner,
        start=start,
        revoke_seconds=10.0,
        topics_seen=TopicsSeen(properties),
    )
    await consumer.subscribe()
    try:
        yield consumer
    finally:
        await consumer.close(10.0)


async def test_topics_that_the_client_does_not_take_are_told_as_our_own_error() -> None:
    properties = {"bootstrap.servers": "127.0.0.1:1", "group.id": "group"}
    topics = ["^(?!abc)d.*"]
    consumer = KafkaConsumer(
        properties,
        topics,
        Owner(),
        start="earliest",
        revoke_seconds=10.0,
        topics_seen=TopicsSeen(properties),
    )
    try:
        with pytest.raises(KafkaReadFailed, match=r"_INVALID_ARG: subscribing to \['\^\(\?!abc"):
            await consumer.subscribe()
    finally:
        await consumer.close(60.0)


async def read(consumer: KafkaConsumer, count: int) -> list[KafkaRecord]:
    found: list[KafkaRecord] = []
    while len(found) < count:
        found += (await consumer.poll(0.1, 100)).records
    return found


async def polled_while(consumer: KafkaConsumer, waiting: asyncio.Future[str | None]) -> str | None:
    """Poll until something is answered."""
    while not waiting.done():
        await consumer.poll(0.05, 100)
    return waiting.result()


async def test_records_come_in_order_with_everything_they_hold() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"one", None, b"three", headers=[("name", b"value")])
        owner = Owner()

        async with member(kafka, owner, "logs") as consumer:
            found = await read(consumer, 3)

        assert [(one.offset, one.value) for one in found] == [(0, b"one"), (1, None), (2, b"three")]
        assert {(one.topic, one.partition) for one in found} == {("logs", 0)}
        assert found[0].headers == [("name", b"value")]
        assert found[0].millis > 1_700_000_000_000
        assert owner.held == owner.gone == [Partition("logs", 0)]


@pytest.mark.parametrize(("start", "begins"), [("earliest", 0), ("latest", 3)])
async def test_a_partition_without_an_offset_begins_where_start_says(
    start: str, begins: int
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"1", b"2", b"3")
        owner = Owner()

        async with member(kafka, owner, "logs", start=start) as consumer:
            found = []
            while not owner.beginnings:
                found += (await consumer.poll(0.1, 100)).records
            send(kafka.bootstrap, "logs", b"4")
            found += await read(consumer, 4 - begins - len(found))

        assert owner.beginnings == {Partition("logs", 0): Beginning(begins, None, 0)}
        assert found[0].offset == begins


async def test_all_beginnings_are_found_before_one_is_read_since_a_fetch_delays_questions() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=3)
        owner, calls = Owner(), []

        async with member(kafka, owner, "logs") as consumer:
            while len(owner.beginnings) < 3:
                await consumer.poll(0.1, 100)
            find, read_from = consumer._begin, consumer._read_from

            def finding(partition: Partition) -> Beginning:
                calls.append("find")
                return find(partition)

            def reading(partition: Partition, offset: int) -> None:
                calls.append("read")
                read_from(partition, offset)

            consumer._begin, consumer._read_from = finding, reading  # type: ignore[method-assign]
            consumer._to_begin.update(Partition("logs", number) for number in range(3))
            while len(calls) < 6:
                await consumer.poll(0.1, 100)

        assert calls == ["find"] * 3 + ["read"] * 3


async def test_what_is_committed_is_where_the_next_member_begins() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"1", b"2", b"3")
        owner, next_owner = Owner(), Owner()

        async with member(kafka, owner, "logs") as consumer:
            await read(consumer, 3)
            answer = asyncio.ensure_future(consumer.commit({Partition("logs", 0): 2}))
            error = await polled_while(consumer, answer)
        async with member(kafka, next_owner, "logs") as consumer:
            found = await read(consumer, 1)

        assert error is None
        assert committed(kafka.bootstrap, "logs") == [2]
        assert found[0].offset == 2
        assert next_owner.beginnings == {}


async def test_a_commit_that_is_refused_says_why() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"1")

        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 1)
            kafka.fail_requests(OFFSET_COMMIT, TOPIC_AUTHORIZATION_FAILED, 1)
            refused = asyncio.ensure_future(consumer.commit({Partition("logs", 0): 1}))
            error = await polled_while(consumer, refused)
            taken = asyncio.ensure_future(consumer.commit({Partition("logs", 0): 1}))
            again = await polled_while(consumer, taken)

        assert error is not None
        assert error.startswith("TOPIC_AUTHORIZATION_FAILED")
        assert again is None


async def test_offsets_that_are_gone_are_told_and_reading_goes_on_at_what_is_there() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *[b"%d" % number for number in range(10)])
        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 10)
            done = asyncio.ensure_future(consumer.commit({Partition("logs", 0): 2}))
            await polled_while(consumer, done)
        kafka.delete_records("logs", 0, 5)
        owner = Owner()

        async with member(kafka, owner, "logs", start="latest") as consumer:
            found = await read(consumer, 5)

        assert owner.beginnings == {Partition("logs", 0): Beginning(5, 2, 5)}
        assert [one.offset for one in found] == [5, 6, 7, 8, 9]


async def test_a_partition_that_is_placed_is_read_from_there_again() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *[b"%d" % number for number in range(5)])

        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 5)
            consumer.pause(Partition("logs", 0))
            number = consumer.place(Partition("logs", 0), 3)
            polled = await consumer.poll(5.0, 100)
            while not polled.records:
                polled = await consumer.poll(0.1, 100)

        assert [one.offset for one in polled.records] == [3, 4]
        assert polled.placed == number


async def test_a_paused_partition_brings_nothing_until_it_is_resumed() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        send(kafka.bootstrap, "logs", b"slow", partition=0)
        send(kafka.bootstrap, "logs", b"quick", partition=1)

        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 2)
            consumer.pause(Partition("logs", 0))
            send(kafka.bootstrap, "logs", b"waits", partition=0)
            send(kafka.bootstrap, "logs", b"comes", partition=1)
            while_paused = await read(consumer, 1)
            consumer.resume(Partition("logs", 0))
            afterwards = await read(consumer, 1)

        assert [one.value for one in while_paused] == [b"comes"]
        assert [one.value for one in afterwards] == [b"waits"]


async def test_what_the_owner_answers_is_committed_before_a_partition_goes() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        for number in (0, 1):
            send(kafka.bootstrap, "logs", b"1", b"2", partition=number)
        owner = Owner()

        async with member(kafka, owner, "logs") as consumer:
            await read(consumer, 4)
            owner.answer = {Partition("logs", 0): 1, Partition("logs", 1): 2}

        assert sorted(owner.gone) == [Partition("logs", 0), Partition("logs", 1)]
        assert committed(kafka.bootstrap, "logs", partitions=2) == [1, 2]


async def test_an_owner_that_hears_late_of_a_partition_hears_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        owner = Owner()
        owner.may_come.clear()

        async with member(kafka, owner, "logs") as consumer:
            monkeypatch.setattr("ptingest.kafka.consumer.REQUEST_SECONDS", 0.5)
            while "the event loop was busy" not in caplog.text:
                await consumer.poll(0.1, 100)
            owner.may_come.set()
            while not owner.held:
                await consumer.poll(0.1, 100)

        assert owner.held == [Partition("logs", 0)]


async def test_a_topic_that_cannot_be_read_is_told_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ptingest.kafka.consumer.LOOK_SECONDS", 0.5)
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        kafka.set_topic_error("logs", TOPIC_AUTHORIZATION_FAILED)

        async with member(kafka, Owner(), "logs") as consumer:
            while not consumer.unread:
                await consumer.poll(0.1, 100)
            problem = consumer.unread["logs"]
            kafka.set_topic_error("logs", 0)
            while consumer.unread:
                await consumer.poll(0.1, 100)

        assert problem.topic == "logs"
        assert problem.name == "TOPIC_AUTHORIZATION_FAILED"


async def test_brokers_that_are_away_are_a_trouble_until_one_is_back() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"1")

        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 1)
            kafka.set_down(1)
            while consumer.trouble is None:
                await consumer.poll(0.1, 100)
            trouble = consumer.trouble
            kafka.set_up(1)
            while consumer.trouble is not None:
                await consumer.poll(0.1, 100)

        assert trouble.startswith("no broker answers (")


async def test_closing_ends_in_time_where_no_broker_answers() -> None:
    with MockKafka() as kafka:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", b"1")
        async with member(kafka, Owner(), "logs") as consumer:
            await read(consumer, 1)
            kafka.set_down(1)

            await asyncio.wait_for(consumer.close(3.0), 30.0)

            assert not consumer.is_open


async def test_properties_that_the_library_refuses_are_told() -> None:
    with pytest.raises(KafkaUnusable, match="tls, sasl and brokers"):
        KafkaConsumer(
            {"group.id": "g", "ssl.ca.location": 3, "no.such": 1},
            ["logs"],
            Owner(),
            start="earliest",
            revoke_seconds=1.0,
            topics_seen=TopicsSeen({}),
        )

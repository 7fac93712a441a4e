"""What tests of Kafka share: records to read, a source that reads them, and where they end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ptingest.kafka.polled import KafkaRecord, record_of
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.server.process.clock import SystemClock
from ptingest.settings.kafka import KafkaSourceSettings
from ptingest.sources.kafka.source import KafkaSource
from ptingest.telemetry.metrics import Metrics
from tests.support.waiting import PATIENCE_SECONDS, until, wait_until

RECORD_LIMIT_BYTES = 4 << 20
NOT_READY = (
    *("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"),
    *("_TIMED_OUT", "_TRANSPORT", "_WAIT_COORD"),
)
"""What brokers that were killed, or are slow, answer for some time."""
Headers = Sequence[tuple[str, bytes]]


def send(
    bootstrap: str,
    topic: str,
    *values: bytes | None,
    partition: int = 0,
    headers: Headers = (),
    **settings: object,
) -> None:
    """Write records; all replicas have them when it returns."""
    from confluent_kafka import Producer

    words = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0, **words})
    errors: list[object] = []

    def told(error: object, _: object) -> None:
        errors.append(error)

    for value in values:
        producer.produce(topic, value, partition=partition, headers=list(headers), on_delivery=told)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert errors == [None] * len(values)


def records(bootstrap: str, topic: str, count: int) -> list[KafkaRecord]:
    """Return all records of a topic, by partition and offset, once there are at least ``count``."""
    from confluent_kafka import Consumer, TopicPartition

    words = {"group.id": "looks", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    reader = Consumer({"bootstrap.servers": bootstrap, "log_level": 0, **words})
    try:
        partitions = reader.list_topics(topic, timeout=30).topics[topic].partitions
        reader.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[KafkaRecord] = []
        ended: set[int] = set()

        def look() -> bool:
            for one in reader.consume(500, 0.2):
                if (error := one.error()) is None:
                    found.append(record_of(one))
                elif error.name() == "_PARTITION_EOF":
                    ended.add(one.partition() or 0)
            return len(found) >= count and len(ended) == len(partitions)

        wait_until(look)
    finally:
        reader.close()
    return sorted(found, key=lambda one: (one.partition, one.offset))


def committed(
    bootstrap: str, topic: str, *, group: str = "group", partitions: int = 1
) -> list[int | None]:
    """Return the offsets that a group has committed; None for a partition that has none."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
    places = [TopicPartition(topic, number) for number in range(partitions)]

    def found() -> list[Any]:
        try:
            return asking.committed(places, timeout=30)
        except KafkaException as error:
            if error.args[0].name() not in NOT_READY:
                raise
            return []

    try:
        return [one.offset if one.offset >= 0 else None for one in wait_until(found)]
    finally:
        asking.close()


class Held:
    """Events of one run that are neither safe nor failed."""

    def __init__(self, payloads: Sequence[bytes], receipt: Receipt) -> None:
        self.payloads, self.receipt = payloads, receipt

    def settle(self) -> None:
        """All of it is safe; what has failed is out of reach."""
        self.receipt.settle(len(self.payloads))


class Downstream:
    """Stands where flow, lanes and sinks do."""

    def __init__(self, *, is_settling: bool = True) -> None:
        self.is_settling = is_settling
        self.open = asyncio.Event()
        """While it is not set, ``admit`` waits, as for the budget."""
        self.open.set()
        self.admitted: list[bytes] = []
        self.origins: list[Origin] = []
        self.held: list[Held] = []
        self.failing: str | None = None
        """Why the next admissions fail."""
        self.given_back = 0

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        await self.open.wait()
        if receipt.failed is not None:
            return
        self.admitted += payloads
        self.origins += [origin] * len(payloads)
        receipt.expect(len(payloads))
        if self.failing is not None:
            receipt.fail(self.failing)
        elif self.is_settling:
            receipt.settle(len(payloads))
        else:
            self.held.append(Held(payloads, receipt))

    def settle_all(self) -> None:
        """What was admitted and what will be is safe."""
        self.is_settling = True
        held, self.held = self.held, []
        for one in held:
            one.settle()

    def give_back(self) -> None:
        self.given_back += 1


async def _checkpoint(size: int) -> None:
    """Nothing else computes here."""


class Reading:
    """A source at work."""

    def __init__(self, source: KafkaSource, metrics: Metrics) -> None:
        self.source, self.metrics = source, metrics
        self.task = asyncio.get_running_loop().create_task(source.run())

    async def stop(self, seconds: float = 20.0) -> None:
        """Drain it as a server does."""
        deadline = SystemClock().monotonic() + seconds
        self.source.stop_reading()
        await self.source.finish_admitting(deadline)
        await self.source.close(deadline)
        await self.task

    async def until_read(self, down: Downstream, count: int) -> None:
        """Wait until so many events were admitted."""
        await self.until(lambda: len(down.admitted) >= count)

    async def until(self, look: Any) -> Any:
        """Wait until something is so, and return it; a source that fails meanwhile fails the
        test."""
        seen = await until(lambda: self.task.done() or look(), seconds=2 * PATIENCE_SECONDS)
        if self.task.done():
            self.task.result()
        return seen

    def value(self, name: str, *labels: str) -> float:
        """A metric's value now."""
        self.metrics.refresh()
        return self.metrics.value(name, *labels)


def reading_steadily(
    *arguments: Any, properties: Mapping[str, object] | None = None, **settings: Any
) -> AbstractAsyncContextManager[Reading]:
    """``reading`` for real brokers: no busy machine lets the session expire, and a member hears of
    a rebalance soon."""
    soon = {"heartbeat.interval.ms": 300, **(properties or {})}
    return reading(*arguments, properties=soon, **{"session_seconds": 60.0, **settings})


@asynccontextmanager
async def reading(
    bootstrap: str,
    down: Downstream,
    topics: str | Sequence[str],
    *,
    properties: Mapping[str, object] | None = None,
    **settings: Any,
) -> AsyncIterator[Reading]:
    """A source that reads ``topics`` as a member of ``group``, until the block ends."""
    words = {"group": "group", "commit_seconds": 0.2, "session_seconds": 3.0, **settings}
    metrics = Metrics()
    one = Reading(
        KafkaSource(
            KafkaSourceSettings.model_validate({"brokers": bootstrap, "topics": topics, **words}),
            name="kafka",
            admit=down.admit,
            checkpoint=_checkpoint,
            give_back=down.give_back,
            record_limit_bytes=RECORD_LIMIT_BYTES,
            metrics=metrics,
            clock=SystemClock(),
            chance=random.Random(5),
            properties=properties,
        ),
        metrics,
    )
    try:
        yield one
    finally:
        if not one.task.done():
            down.open.set()
            await one.stop(2.0)

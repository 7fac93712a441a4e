"""A buffer that runs, for tests over the mock of a cluster and over a real one."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import cast

from confluent_kafka import Consumer
from pydantic import ByteSize

from ptingest.buffer.buffer import KafkaBuffer
from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.budget import Budget
from ptingest.kafka.record import ReadRecord, decode
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.server.process.clock import SystemClock
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.kafka import KafkaBufferSettings
from ptingest.telemetry.metrics import Metrics

TOPIC = "buffer"
ORIGIN = Origin("192.0.2.7:5000", tls_subject="CN=web-1")


class RunningBuffer:
    """A buffer that runs, and what a test looks at."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        *,
        budget_bytes: int = 64 << 20,
        record_bytes: int = 900_000,
    ) -> None:
        clock, self.metrics = SystemClock(), Metrics()
        self.letters = DeadLetters(folder, DeadLettersSettings(), clock=clock, metrics=self.metrics)
        self.folder, self.budget = folder, Budget(budget_bytes)
        self.buffer = KafkaBuffer(
            KafkaBufferSettings(
                brokers=tuple(bootstrap.split(",")),
                topic=TOPIC,
                record_bytes=ByteSize(record_bytes),
            ),
            budget=self.budget,
            dead_letters=self.letters,
            checkpoint=FairShare(),
            metrics=self.metrics,
            clock=clock,
        )
        self.clock = clock
        self.task = asyncio.create_task(self.buffer.run())

    async def window(self, *payloads: bytes) -> Receipt:
        """Admit one window and seal it."""
        receipt = Receipt(lambda _: None)
        await self.buffer.admit(payloads, receipt, ORIGIN)
        receipt.seal()
        return receipt

    async def stop(self) -> None:
        """End it; what is not confirmed is given back."""
        self.task.cancel()
        await self.buffer.close()
        await self.letters.close()

    def balances(self) -> bool:
        """Whether every event that was received is accounted for."""
        row = self.buffer.books.row()
        return row["received"] == sum(row.values()) - row["received"]


async def read_events(bootstrap: str, count: int) -> list[bytes]:
    """Read the topic until it held so many events."""
    return await events_of_topic(bootstrap, TOPIC, distinct=count, origin=ORIGIN)


async def events_of_topic(
    bootstrap: str, topic: str, *, distinct: int, origin: Origin | None = None
) -> list[bytes]:
    """Read a topic of a buffer until so many different events were in it; all of them came from
    ``origin``, where it is given."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "look",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    found: list[bytes] = []
    while len(set(found)) < distinct:
        for one in await asyncio.to_thread(consumer.consume, 100, 0.2):
            headers = cast(list[tuple[str, bytes | None]] | None, one.headers())
            seen = decode(one.value(), headers, limit_bytes=1 << 30)
            assert isinstance(seen, ReadRecord), seen
            assert origin is None or seen.origin == origin
            found += seen.payloads
    consumer.close()
    return found


def events(count: int, size: int = 100) -> list[bytes]:
    """Events that do not compress."""
    chance = random.Random(count)
    return [chance.randbytes(size) for _ in range(count)]

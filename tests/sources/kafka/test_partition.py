"""One partition: admitted in order, bounded, and read again from what is not safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ptingest.kafka.polled import KafkaRecord, Partition
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.server.process.clock import SystemClock
from ptingest.sources.kafka.books import KafkaBooks
from ptingest.sources.kafka.partition import (
    FIRST_BACKOFF_SECONDS,
    MOST_BACKOFF_SECONDS,
    PartitionReader,
    Surroundings,
)
from ptingest.sources.kafka.payloads import RUN_RECORDS
from ptingest.telemetry.metrics import Metrics
from tests.support.kafka import Downstream
from tests.support.waiting import until

LIMIT = 1000


class Around:
    """A reader with all that it works with."""

    def __init__(self, down: Downstream) -> None:
        self.down, self.metrics = down, Metrics()
        self.failed: list[PartitionReader] = []
        self.turns = asyncio.Event()
        self.turns.set()
        self.reader = PartitionReader(
            Partition("logs", 0),
            Surroundings(
                admit=down.admit,
                checkpoint=self.checkpoint,
                clock=SystemClock(),
                books=KafkaBooks(self.metrics),
                limit_bytes=LIMIT,
                record_limit_bytes=1 << 20,
                on_failed=self.failed.append,
            ),
        )

    async def checkpoint(self, _: int) -> None:
        await self.turns.wait()

    def take(self, first: int, count: int, *, size: int = 10, placed: int = 0) -> None:
        records = [
            KafkaRecord("logs", 0, first + number, 1, b"x" * size, None) for number in range(count)
        ]
        self.reader.take(records, placed)

    def count(self, name: str) -> float:
        return self.metrics.value(f"ptingest_kafka_{name}", "logs")

    def assert_balanced(self) -> None:
        fates = self.count("settled_events_total") + self.count("given_back_events_total")
        outstanding = self.count("outstanding_events")
        assert self.count("read_events_total") == fates + outstanding
        assert outstanding == self.reader.outstanding_events


async def test_offsets_follow_what_is_settled() -> None:
    around = Around(Downstream(is_settling=False))
    around.take(0, RUN_RECORDS + 5, size=2)
    await until(lambda: len(around.down.held) == 2)
    first, second = around.down.held

    second.settle()
    assert around.reader.to_commit == 0
    first.settle()

    assert around.reader.to_commit == RUN_RECORDS + 5
    await around.reader.until_idle()
    around.assert_balanced()


class Followed(Downstream):
    """Lets ``then`` happen after the first run was admitted, before anybody hears of its end."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then: Callable[[], None] | None = then

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        if self._then is not None:
            asyncio.get_running_loop().call_soon(self._then)
            self._then = None
        await super().admit(payloads, receipt, origin)


async def test_records_that_come_as_admitting_ends_are_admitted() -> None:
    # They waited for further ones, for ever where none came.
    around = Around(Followed(lambda: around.take(1, 1)))
    around.take(0, 1)

    await until(lambda: around.reader.to_commit == 2)

    assert len(around.down.admitted) == 2
    await around.reader.until_idle()


async def test_a_partition_that_has_its_share_is_full_until_half_of_it_is_free() -> None:
    around = Around(Downstream(is_settling=False))
    for number in range(10):
        around.take(number, 1, size=100)
    await until(lambda: len(around.down.held) == 10)

    seen = []
    for held in list(around.down.held):
        seen.append((around.reader.is_full, around.reader.has_room))
        held.settle()

    assert seen == [(True, False), *[(False, False)] * 4, *[(False, True)] * 5]
    assert around.reader.outstanding_bytes == 0


async def test_a_failed_run_fails_those_after_it_and_reading_begins_again_there() -> None:
    around = Around(Downstream(is_settling=False))
    for number in range(3):
        around.take(number * 10, 10)
    await until(lambda: len(around.down.held) == 3)
    first, second, third = around.down.held
    first.settle()

    second.receipt.fail("the disk is full")

    assert around.failed == [around.reader]
    assert third.receipt.failed is not None
    assert around.reader.offsets.unsafe == 10
    assert around.reader.is_rewinding
    around.assert_balanced()


async def test_what_comes_between_a_failure_and_the_new_beginning_is_left_out() -> None:
    around = Around(Downstream())
    around.down.failing = "the disk is full"
    around.take(0, 10)
    await around.reader.until_idle()
    around.down.failing = None
    before = len(around.down.admitted)

    around.take(10, 10)  # while it rewinds
    around.reader.rewound(placed=7)
    around.take(20, 10, placed=6)  # fetched before
    around.take(0, 30, placed=7)
    await around.reader.until_idle()

    assert len(around.down.admitted) - before == 30
    assert around.reader.to_commit == 30


async def test_the_backoff_grows_with_failures_and_ends_with_a_success() -> None:
    around = Around(Downstream())
    seen = []
    for number in range(7):
        around.down.failing = "the disk is full"
        around.take(0, 1, placed=number)
        await around.reader.until_idle()
        seen.append(around.reader.backoff_seconds)
        around.reader.rewound(number)

    around.down.failing = None
    around.take(0, 1, placed=7)
    await around.reader.until_idle()
    around.down.failing = "the disk is full"
    around.take(1, 1, placed=7)
    await around.reader.until_idle()

    assert seen == [1.0, 2.0, 4.0, 8.0, 16.0, MOST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS]
    assert around.reader.backoff_seconds == FIRST_BACKOFF_SECONDS


async def test_what_was_not_begun_is_dropped_when_the_partition_goes() -> None:
    around = Around(Downstream(is_settling=False))
    around.turns.clear()
    around.take(0, 10)

    around.reader.end()
    around.turns.set()
    await around.reader.until_idle()

    assert around.down.admitted == []
    assert around.reader.outstanding_bytes == 0
    around.take(0, 10)
    assert around.reader.outstanding_bytes == 0


async def test_what_is_under_way_is_finished_when_reading_ends() -> None:
    around = Around(Downstream(is_settling=False))
    around.take(0, 10)
    await until(lambda: around.down.held)

    around.reader.end()
    around.down.settle_all()
    await around.reader.until_idle()

    assert around.reader.to_commit == 10
    around.assert_balanced()


async def test_an_abandoned_partition_gives_its_events_back_and_commits_nothing_of_them() -> None:
    around = Around(Downstream(is_settling=False))
    around.take(0, 10)
    await until(lambda: around.down.held)

    events = around.reader.abandon("its partition went")

    assert events == 10
    assert around.down.held[0].receipt.failed == "its partition went"
    assert around.failed == []
    assert around.count("given_back_events_total") == 10
    around.down.settle_all()  # what is in flight finishes on its own
    assert around.reader.to_commit == 0


async def test_an_admission_that_takes_too_long_is_cut_short_at_a_stop() -> None:
    around = Around(Downstream())
    around.down.open.clear()
    around.take(0, 10)
    await until(lambda: around.reader.outstanding_events)

    around.reader.end()
    await around.reader.finish_admitting(0.0)
    await around.reader.until_idle()

    assert around.down.admitted == []
    assert around.reader.to_commit == 0
    around.assert_balanced()


async def test_an_error_of_the_program_is_a_failure_and_reading_begins_again() -> None:
    around = Around(Downstream())

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    around.reader._around = around.reader._around._replace(admit=broken)
    around.take(0, 10)
    await around.reader.until_idle()

    assert around.failed == [around.reader]
    assert around.reader.offsets.unsafe == 0
    around.assert_balanced()

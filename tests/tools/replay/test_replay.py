"""A replay reads to the end, saves what is safe only, and goes on where it was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ptingest.errors import KafkaLeaderless, ReplayFailed
from ptingest.kafka.polled import Partition
from ptingest.kafka.spans import Gap, Span, SpanReader
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.tools.replay.position import Asked, Position
from ptingest.tools.replay.replay import Progress, Replay, compare, find_spans
from tests.fakes.kafka import MockKafka
from tests.support.raw_peer import event
from tests.support.waiting import PATIENCE_SECONDS, until

ASKED = Asked("2h", None, ("logs",), "digest")
FIRST, SECOND = Partition("logs", 0), Partition("logs", 1)
RECORDS = 20


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as kafka:
        kafka.create_topic("logs", partitions=2)
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        for offset in range(RECORDS):
            for number in (0, 1):
                line = f"INFO|root|2025-01-02T03:04:05Z|{number} {offset}"
                producer.produce("logs", event(line), partition=number)
        assert producer.flush(30) == 0
        yield kafka


@pytest.fixture
def reader(kafka: MockKafka) -> Iterator[SpanReader]:
    reader = SpanReader({"bootstrap.servers": kafka.bootstrap})
    yield reader
    reader.close()


def position(folder: Path) -> Position:
    return Position(folder, ASKED, {FIRST: Span(0, RECORDS), SECOND: Span(5, RECORDS)})


class Leaderless:
    """A reader of a topic that has a leader only when it is asked for the third time."""

    def __init__(self) -> None:
        self.asked = 0

    def spans(self, topics: Sequence[str], since: int, until: int | None) -> dict[Partition, Span]:
        self.asked += 1
        if self.asked < 3:
            raise KafkaLeaderless("LEADER_NOT_AVAILABLE", "logs/0: nobody leads it")
        return {FIRST: Span(0, 5)}


async def test_a_partition_without_a_leader_is_waited_for_and_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ptingest.tools.replay.replay.AGAIN_SECONDS", 0.01)
    reader, said = Leaderless(), list[str]()

    found = await find_spans(reader, ["logs"], 0, None, say=said.append)

    assert found == {FIRST: Span(0, 5)}
    assert reader.asked == 3
    assert len(said) == 1
    assert "nobody leads it" in said[0]


class Downstream:
    """Settles at once, holds what comes, or fails it."""

    def __init__(self, *, failing: str | None = None, holding: bool = False) -> None:
        self.failing, self.holding = failing, holding
        self.admitted: list[bytes] = []
        self.held: list[Receipt] = []
        self.has_some = asyncio.Event()

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        assert origin.source == "kafka"
        self.admitted += payloads
        receipt.expect(len(payloads))
        if self.failing is not None:
            receipt.fail(self.failing)
        elif not self.holding:
            receipt.settle(len(payloads))
        else:
            self.held.append(receipt)
        self.has_some.set()

    def settle(self) -> None:
        """What is held is safe now."""
        for receipt in self.held:
            receipt.settle(receipt.open)


def replay(reader: SpanReader, where: Position, down: Downstream, *, rate: float = 1e6) -> Replay:
    return Replay(
        reader,
        where,
        admit=down.admit,
        rate=rate,
        limit_bytes=1 << 20,
        clock=SystemClock(),
        trouble=lambda: "",
        report=lambda _: None,
    )


async def test_everything_is_admitted_and_the_position_is_at_the_end(
    reader: SpanReader, tmp_path: Path
) -> None:
    down, where = Downstream(), position(tmp_path)
    running = replay(reader, where, down)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await running.run()

    assert len(down.admitted) == RECORDS + RECORDS - 5
    assert (running.progress.events, running.progress.left) == (35, 0)
    assert where.left == 0


async def test_what_is_not_safe_is_read_again_after_an_interrupt(
    reader: SpanReader, tmp_path: Path
) -> None:
    down = Downstream(holding=True)
    running = asyncio.create_task(replay(reader, position(tmp_path), down).run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await down.has_some.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    left = Position.load(tmp_path, ASKED)
    assert left is not None
    assert left.spans == position(tmp_path).spans
    again = Downstream()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await replay(reader, left, again).run()
    assert len(again.admitted) == 35


async def test_a_replay_ends_when_the_last_events_are_safe(
    reader: SpanReader, tmp_path: Path
) -> None:
    down = Downstream(holding=True)
    where = position(tmp_path)
    running = asyncio.create_task(replay(reader, where, down).run())

    await until(lambda: len(down.admitted) == 35)
    assert not running.done()
    assert where.events == 0
    down.settle()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await running
    assert (where.events, where.left) == (35, 0)


async def test_a_replay_ends_where_an_event_cannot_be_kept(
    reader: SpanReader, tmp_path: Path
) -> None:
    where = position(tmp_path)
    running = replay(reader, where, Downstream(failing="the dead letters are full"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(ReplayFailed, match="the dead letters are full"):
            await running.run()

    assert where.spans == position(tmp_path).spans


async def test_records_that_are_gone_are_told(
    kafka: MockKafka, reader: SpanReader, tmp_path: Path
) -> None:
    kafka.delete_records("logs", 0, before=8)
    down = Downstream()
    running = replay(reader, position(tmp_path), down)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await running.run()

    assert running.progress.gaps == [Gap(FIRST, 0, 8)]
    assert len(down.admitted) == 12 + 15
    assert running.progress.left == 0


async def test_rules_are_compared_without_writing(reader: SpanReader, tmp_path: Path) -> None:
    profile = load_profile(packaged_profile_path(), {})
    before = compile_profile(profile)
    renamed = profile.groups[0].data_stream.model_copy(update={"namespace": "new"})
    groups = (profile.groups[0].model_copy(update={"data_stream": renamed}), *profile.groups[1:])
    after = compile_profile(profile.model_copy(update={"groups": groups}))
    reports: list[Progress] = []

    async with asyncio.timeout(PATIENCE_SECONDS):
        changes = await compare(
            reader, position(tmp_path), before=before, after=after, limit_bytes=1 << 20,
            clock=SystemClock(), report=reports.append,
        )  # fmt: skip

    assert changes.fates == {("django", "logs-django-pt", "logs-django-new"): 35}
    assert reports[-1].left == 0

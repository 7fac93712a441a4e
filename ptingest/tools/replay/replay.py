"""Reads a stretch of topics again, through rules, into sinks of its own; or counts what differs.

    SpanReader ──► runs of records ──► admit, within the rate ──► lanes ──► sinks
                                            │                              │
                        position saved ◄────┴── receipt closed ◄───────────┘

No offset of a group is touched. What is safe is saved every second, so that the same command goes
on where it was interrupted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from ptingest.errors import KafkaLeaderless, ReplayFailed
from ptingest.kafka.polled import KafkaRecord, Partition
from ptingest.kafka.spans import Gap, Span, SpanReader, Stretch
from ptingest.model.contracts import Admit, Clock
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.records import taken_in
from ptingest.sources.kafka.payloads import Admission, admission_of, runs_of
from ptingest.tools.replay.changes import Changes
from ptingest.tools.replay.position import Position
from ptingest.tools.shipper.shipper import SendRate

READ_SECONDS = 0.5
READ_RECORDS = 1000
SAVE_SECONDS = 1.0
AGAIN_SECONDS = 1.0
"""Time between two questions for a partition that has no leader."""


async def find_spans(
    reader: SpanReader,
    topics: Sequence[str],
    since_millis: int,
    until_millis: int | None,
    *,
    say: Callable[[str], None],
) -> dict[Partition, Span]:
    """Ask what is to be read, again and again while a partition has no leader; ``say`` why, once
    for each reason.

    Raises:
        KafkaReadFailed: a topic does not exist, or no broker answers at all.
    """
    said = ""
    while True:
        try:
            return await asyncio.to_thread(reader.spans, topics, since_millis, until_millis)
        except KafkaLeaderless as error:
            if str(error) != said:
                said = str(error)
                say(said)
            await asyncio.sleep(AGAIN_SECONDS)


class Progress:
    """How far a replay is; changed in place."""

    def __init__(self, offsets: int) -> None:
        self.offsets = offsets
        """All that are to be read."""
        self.left = offsets
        self.events = 0
        """Events that are safe, those of an earlier run included."""
        self.waiting = ""
        """Why nothing goes on; empty where it does."""
        self.gaps: list[Gap] = []


class _Pending(NamedTuple):
    following: int
    events: int
    receipt: Receipt


class Replay:
    """One replay into the flow of parts that run; used once."""

    def __init__(
        self,
        reader: SpanReader,
        position: Position,
        *,
        admit: Admit,
        rate: float,
        limit_bytes: int,
        clock: Clock,
        trouble: Callable[[], str],
        report: Callable[[Progress], None],
    ) -> None:
        """``rate``: events a second at most. ``limit_bytes``: what one record may inflate to.
        ``trouble``: why sinks wait; empty where they do not."""
        self._reader, self._position, self._admit = reader, position, admit
        self._rate, self._limit_bytes = SendRate(rate), limit_bytes
        self._clock, self._trouble, self._report = clock, trouble, report
        self.progress = Progress(position.left)
        self.progress.events = position.events
        self._open: dict[Partition, deque[_Pending]] = {one: deque() for one in position.spans}
        self._closed = asyncio.Event()
        self._failed: str | None = None

    async def run(self) -> None:
        """Read to the end, and return when everything is safe.

        Raises:
            ReplayFailed: an event could not be kept, or nothing more can be read; the position
                of what is safe is saved.
            KafkaReadFailed: as well.
        """
        self._reader.begin({one: span for one, span in self._position.spans.items()
                            if span.first < span.end})  # fmt: skip
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            try:
                await self._read_all()
                while any(self._open.values()) and self._failed is None:
                    await self._closed.wait()
                    self._closed.clear()
                    self._take_closed()
            finally:
                self._take_closed()
                self._position.save()
                watching.cancel()
        if self._failed is not None:
            raise ReplayFailed(self._failed)
        self._report(self.progress)

    async def _read_all(self) -> None:
        left = {one for one, span in self._position.spans.items() if span.first < span.end}
        while left and self._failed is None:
            stretch = await asyncio.to_thread(self._reader.read, READ_SECONDS, READ_RECORDS)
            for partition, run in _runs(stretch):
                await self._admit_run(partition, run)
            self._note(stretch)
            left.difference_update(stretch.ended)

    def _note(self, stretch: Stretch) -> None:
        """Records that are gone, and ends of partitions, move the position like safe ones."""
        done = Receipt(lambda _: None)
        done.seal()
        for gap in stretch.gaps:
            self.progress.gaps.append(gap)
            self._open[gap.partition].append(_Pending(gap.end, 0, done))
        for one in stretch.ended:
            self._open[one].append(_Pending(self._position.spans[one].end, 0, done))
        self._take_closed()

    async def _admit_run(self, partition: Partition, run: Sequence[KafkaRecord]) -> None:
        admission = admission_of(run, limit_bytes=self._limit_bytes)
        await self._rate.wait(len(admission.payloads))
        receipt = Receipt(self._on_closed)
        pending = _Pending(run[-1].offset + 1, len(admission.payloads), receipt)
        self._open[partition].append(pending)
        try:
            await self._admit(admission.payloads, receipt, admission.origin)
        except BaseException:
            receipt.fail("the replay was interrupted")
            raise
        receipt.seal()

    def _on_closed(self, receipt: Receipt) -> None:
        if receipt.failed is not None and self._failed is None:
            self._failed = receipt.failed
        self._closed.set()

    def _take_closed(self) -> None:
        """Move the position past what is safe, in order."""
        for partition, runs in self._open.items():
            while runs and runs[0].receipt.closed and runs[0].receipt.failed is None:
                first = runs.popleft()
                self._position.done(partition, first.following, first.events)
        self.progress.left, self.progress.events = self._position.left, self._position.events

    async def _watch(self) -> None:
        """Save and report, again and again."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self._take_closed()
            self._position.save()
            self.progress.waiting = self._reader.trouble or self._trouble()
            self._report(self.progress)


async def compare(
    reader: SpanReader,
    position: Position,
    *,
    before: Pipeline,
    after: Pipeline,
    limit_bytes: int,
    clock: Clock,
    report: Callable[[Progress], None],
) -> Changes:
    """Make documents of the events by both rules, and count what differs; nothing is written."""
    changes, progress = Changes(), Progress(position.left)
    reader.begin(position.spans)
    left = set(position.spans)
    while left:
        stretch = await asyncio.to_thread(reader.read, READ_SECONDS, READ_RECORDS)
        for partition, run in _runs(stretch):
            admission = admission_of(run, limit_bytes=limit_bytes)
            _compare_run(admission, changes, before, after, clock.time_ns())
            position.done(partition, run[-1].offset + 1, len(admission.payloads))
            await asyncio.sleep(0)  # an interrupt is noticed between two runs
        progress.gaps += stretch.gaps
        for one in stretch.ended:
            position.done(one, position.spans[one].end, 0)
        left.difference_update(stretch.ended)
        progress.left, progress.events = position.left, position.events
        progress.waiting = reader.trouble or ""
        report(progress)
    return changes


def _compare_run(
    admission: Admission, changes: Changes, before: Pipeline, after: Pipeline, now_ns: int
) -> None:
    old, new = (_made(one, admission, now_ns) for one in (before, after))
    changes.add(admission.payloads, old, new)


def _made(pipeline: Pipeline, admission: Admission, now_ns: int) -> Processed:
    """Process events; documents and letters name the payloads as they were read."""
    read, peer, receipt = admission.payloads, admission.origin.peer, Receipt(lambda _: None)
    payloads, _ = taken_in(pipeline, read, admission.origin)
    made = pipeline.process(payloads, receipt=receipt, peer=peer, now_ns=now_ns)
    if payloads is not read:
        before = dict(zip(map(id, payloads), read, strict=True))
        made.documents = [replace(one, payload=before[id(one.payload)]) for one in made.documents]
        made.dead_letters = [
            replace(one, payload=before[id(one.payload)]) for one in made.dead_letters
        ]
    return made


def _runs(stretch: Stretch) -> Iterable[tuple[Partition, Sequence[KafkaRecord]]]:
    by_partition = sorted(stretch.records, key=_partition_of)  # stable: offsets stay in order
    for partition, records in groupby(by_partition, key=_partition_of):
        for run in runs_of(list(records)):
            yield partition, run


def _partition_of(record: KafkaRecord) -> Partition:
    return Partition(record.topic, record.partition)

"""One partition on its way: records in the order of their offsets, admitted one run after the
other, and what of them is safe.

    take ──► queue ──► admit ──► receipt closes: safe, or failed
                                  │                 └─► the owner reads again from the first
                                  └─► offsets            offset that is not safe

Reading ends at a share of bytes that are under way, so that a partition whose events wait does
not take what others need.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ptingest.kafka.polled import KafkaRecord, Partition
from ptingest.model.contracts import Admit, Checkpoint, Clock
from ptingest.model.receipt import Receipt
from ptingest.sources.kafka.books import KafkaBooks
from ptingest.sources.kafka.offsets import PartitionOffsets, Run
from ptingest.sources.kafka.payloads import Admission, admission_of, runs_of, size_of

log = logging.getLogger(__name__)

RESUME_SHARE = 0.5
"""Reading goes on when so much of the share is left: to pause drops what was fetched."""
FIRST_BACKOFF_SECONDS = 1.0
MOST_BACKOFF_SECONDS = 30.0


class Surroundings(NamedTuple):
    """What every partition of a source works with."""

    admit: Admit
    checkpoint: Checkpoint
    clock: Clock
    books: KafkaBooks
    limit_bytes: int
    """Bytes of one partition that may be under way."""
    record_limit_bytes: int
    """What a record of the buffer may inflate to."""
    on_failed: Callable[[PartitionReader], None]
    """A run failed, and reading must begin again; called once until ``rewound``."""


class _UnderWay:
    """A run that was read and is neither safe nor failed."""

    __slots__ = ("bytes", "events", "receipt", "records", "run")

    def __init__(self, records: Sequence[KafkaRecord], run: Run) -> None:
        self.records, self.run = records, run
        self.bytes = sum(map(size_of, records))
        self.events = 0
        """Known when it is admitted."""
        self.receipt: Receipt | None = None


class PartitionReader:
    """One assigned partition; lives on the loop."""

    def __init__(self, partition: Partition, around: Surroundings) -> None:
        self.partition = partition
        self.offsets = PartitionOffsets()
        self.committed: int | None = None
        """The last offset that was committed here."""
        self.is_paused = False
        self.is_over = False
        """It was taken away, or reading ends: nothing more of it is taken."""
        self.is_rewinding = False
        self.outstanding_bytes = 0
        self.outstanding_events = 0
        self._around = around
        self._queue: deque[_UnderWay] = deque()
        self._open: set[_UnderWay] = set()
        self._task: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._failures = 0
        self._takes_from = 0

    @property
    def is_full(self) -> bool:
        """Its share of bytes is used up."""
        return self.outstanding_bytes >= self._around.limit_bytes

    @property
    def has_room(self) -> bool:
        """Enough of its share is free to read on."""
        return self.outstanding_bytes <= self._around.limit_bytes * RESUME_SHARE

    @property
    def to_commit(self) -> int | None:
        """The offset to commit; None where there is nothing new."""
        safe = self.offsets.safe
        return safe if safe is not None and safe != self.committed else None

    @property
    def backoff_seconds(self) -> float:
        """How long to wait before reading again what failed."""
        doubled: float = FIRST_BACKOFF_SECONDS * 2.0 ** min(10, self._failures - 1)
        return min(MOST_BACKOFF_SECONDS, doubled)

    def take(self, records: Sequence[KafkaRecord], placed: int) -> None:
        """Queue records that were read after so many ``place`` of the consumer; what comes while
        it rewinds is read again."""
        if self.is_over or self.is_rewinding or placed < self._takes_from:
            return
        now = self._around.clock.monotonic()
        for records_of in runs_of(records):
            run = self.offsets.begin(records_of[0].offset, records_of[-1].offset + 1, now)
            waiting = _UnderWay(records_of, run)
            self.outstanding_bytes += waiting.bytes
            self._queue.append(waiting)
        self._around.books.read_records(self.partition.topic, len(records))
        self._begin_to_admit()

    def reach(self, offset: int, placed: int) -> None:
        """All that lies before ``offset`` was read, and is safe with the last record of it."""
        if not (self.is_over or self.is_rewinding or placed < self._takes_from):
            self.offsets.reach(offset)

    def _begin_to_admit(self) -> None:
        if self._task is None and self._queue:
            self._idle.clear()
            name = f"kafka {self.partition.topic}/{self.partition.number}"
            self._task = asyncio.get_running_loop().create_task(self._admit_all(), name=name)
            self._task.add_done_callback(self._ended)

    async def _admit_all(self) -> None:
        while self._queue:
            # A record of the buffer is inflated at once, so it takes its turn as an event does.
            await self._around.checkpoint(self._queue[0].bytes)
            if not self._queue:  # dropped meanwhile
                return
            waiting = self._queue.popleft()
            receipt = waiting.receipt = Receipt(partial(self._closed, waiting), self._sender)
            self._open.add(waiting)
            admission = self._opened(waiting)
            await self._around.admit(admission.payloads, receipt, admission.origin)
            if receipt.failed is None:
                receipt.seal()

    def _opened(self, waiting: _UnderWay) -> Admission:
        admission = admission_of(waiting.records, limit_bytes=self._around.record_limit_bytes)
        if admission.broken is not None:
            place = f"{self._sender}@{waiting.run.first}"
            log.warning("%s becomes a dead letter: %s", place, admission.broken)
        size = sum(map(len, admission.payloads))
        self.outstanding_bytes += size - waiting.bytes
        waiting.bytes, waiting.events, waiting.records = size, len(admission.payloads), ()
        self.outstanding_events += waiting.events
        self._around.books.read_events(self.partition.topic, waiting.events)
        return admission

    @property
    def _sender(self) -> str:
        return f"{self.partition.topic}/{self.partition.number}"

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            self._fail_open("it was not admitted in time")
        elif (error := task.exception()) is not None:
            log.error("admitting %s failed", self._sender, exc_info=error)
            self._fail_open("internal error")
        # Records may have come since the task looked for some, before this was called.
        self._begin_to_admit()
        self._look_idle()

    def _closed(self, waiting: _UnderWay, receipt: Receipt) -> None:
        """Called by its receipt: all events of a run are safe, or it failed."""
        self._forget(waiting, is_safe=receipt.failed is None)
        if receipt.failed is None:
            self._failures = 0
        elif not self.is_over and not self.is_rewinding:
            self._begin_again(receipt.failed)

    def _forget(self, waiting: _UnderWay, *, is_safe: bool) -> None:
        self._open.discard(waiting)
        self.outstanding_bytes -= waiting.bytes
        self.outstanding_events -= waiting.events
        self._around.books.settled(self.partition.topic, waiting.events, is_safe=is_safe)
        if is_safe:
            self.offsets.settle(waiting.run)
        self._look_idle()

    def _look_idle(self) -> None:
        if self._task is None and not self._open and not self._queue:
            self._idle.set()

    async def until_idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    async def finish_admitting(self, seconds: float) -> None:
        """Return when nothing is being admitted; cut it short after ``seconds``."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
        if self._task is not None:
            self._task.cancel()

    # -- when something went wrong, or the partition goes ----------------------------------

    def _begin_again(self, reason: str) -> None:
        self.is_rewinding = True
        self._failures += 1
        log.warning(
            "%s: events from offset %s on are not safe (%s); they are read again in %g s",
            *(self._sender, self.offsets.unsafe, reason, self.backoff_seconds),
        )
        self.drop_queue()
        self._fail_open(f"an earlier event of {self._sender} failed: {reason}")
        self._around.on_failed(self)

    def rewound(self, placed: int) -> None:
        """Reading begins again at the first offset that is not safe, with the records that come
        after this ``place`` of the consumer."""
        self.is_rewinding = False
        self._takes_from = placed
        self.offsets.restart()

    def begin_at(self, offset: int) -> None:
        """The partition is read from here on, and this must be committed, whatever was before."""
        self.offsets.begin_at(offset)
        self.committed, self.is_paused = None, False

    def drop_queue(self) -> None:
        """Forget what was read and not begun; it is read again, by whoever has the partition."""
        for waiting in self._queue:
            self.outstanding_bytes -= waiting.bytes
        self._queue.clear()
        self._look_idle()

    def end(self) -> None:
        """Take nothing more; what is being admitted goes on."""
        self.is_over = True
        self.drop_queue()

    def abandon(self, reason: str) -> int:
        """Give up what is under way, since others read it; return how many events that was."""
        self.end()
        events = self.outstanding_events
        self._fail_open(reason)
        return events

    def _fail_open(self, reason: str) -> None:
        for waiting in list(self._open):
            if waiting.receipt is not None:
                waiting.receipt.fail(reason)

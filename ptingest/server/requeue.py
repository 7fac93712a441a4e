"""Jobs for the dead letters of this data_dir, and for failure stores: requeue and purge, one at
a time.

    item of a source --admit, under its own receipt and key--> settled --> the source is told
                                                              failed  --> stays as it was

A letter is marked only when its fate is safe: stored by every sink, dropped by a rule, or on
disk as a new letter. After ``kill -9`` between the two it is requeued again under the same
key, which a sink with keyed ids recognises. Each letter has a receipt of its own, so that one
that cannot be kept never delays the others; the flow admits letters like events of any source,
within the budget and with backpressure of the lanes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.budget import Budget
from ptingest.errors import DeadLettersUnwritable, JobRefused, SinkUnavailable
from ptingest.model.contracts import Admit
from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES
from ptingest.model.letters import Order, Tally
from ptingest.model.receipt import Receipt
from ptingest.server.requeue_sources import (
    EventOf,
    FailureSource,
    Item,
    LetterSource,
    ReadsFailures,
    RequeueSource,
    chosen_letters,
    next_chunk,
)
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

OPEN_BYTES = 8 << 20
"""Letters in flight at one time: a small part of the budget, so that Beats go on."""
STOP_SECONDS = 5.0
"""How long a stop waits for the last marks; without them letters are requeued once more."""


class RequeueJob:
    """One job that is running."""

    def __init__(
        self,
        order: Order,
        source: RequeueSource[Any],
        *,
        admit: Admit,
        give_back: Callable[[], None],
        prepare: Callable[[], Awaitable[None]],
        dead_letters: DeadLetters,
        metrics: Metrics,
    ) -> None:
        self.order, self.tally = order, Tally()
        self._source = source
        self.failed: str | None = None
        self._admit, self._give_back, self._prepare = admit, give_back, prepare
        self._dead_letters, self._metrics = dead_letters, metrics
        self._room = Budget(OPEN_BYTES)
        self._open: set[Receipt] = set()
        self._safe: list[tuple[Any, str]] = []
        self._changed = asyncio.Event()
        self._end: asyncio.Timeout | None = None
        self._is_stopped = False
        self._why_ended = f"not settled within {order.seconds:g} s"

    @property
    def open_bytes(self) -> int:
        """Bytes of letters in flight."""
        return self._room.outstanding

    def stop(self, why: str) -> None:
        """End early; letters that are not settled stay."""
        self._why_ended, self._is_stopped = why, True
        if self._end is not None and not self._end.expired():
            self._end.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Run to the end or the deadline; ``tally`` has the result."""
        if self._is_stopped:
            return
        work = self._requeue if self.order.what == "requeue" else self._purge
        try:
            async with asyncio.timeout(self.order.seconds) as self._end:
                await work()
        except TimeoutError:
            self._abandon()
        except (DeadLettersUnwritable, SinkUnavailable) as error:
            self.failed = str(error)
            self._why_ended = str(error)
            self._abandon()
        finally:
            self._end = None
            for receipt in list(self._open):  # cancelled, or a bug: no receipt stays open
                receipt.fail("the requeue was cut short")
        try:
            await self._mark()
            if not self._is_stopped:
                await self._dead_letters.sweep()
        except DeadLettersUnwritable as error:
            self.failed = str(error)
        finally:
            await self._source.close()

    def _abandon(self) -> None:
        for receipt in list(self._open):
            receipt.fail(self._why_ended)
        self._give_back()
        self.tally.left_because = self.tally.left_because or self._why_ended

    # --- requeue ------------------------------------------------------------------------

    async def _requeue(self) -> None:
        await self._prepare()
        while chunk := await self._source.next_chunk():
            async with asyncio.TaskGroup() as group:
                for item in chunk:
                    if item.fate is not None:
                        self.tally.chosen += 1
                        self._count(item, [item.fate])
                        continue
                    cost = len(item.payload) + DOCUMENT_OVERHEAD_BYTES
                    await self._room.take(cost)
                    group.create_task(self._requeue_item(item, cost))
            await self._mark()
        while self._open:
            self._changed.clear()
            await self._changed.wait()
            await self._mark()

    async def _requeue_item(self, item: Item[Any], cost: int) -> None:
        receipt = Receipt(lambda closed: self._close(closed, item, cost))
        receipt.fates = []
        self._open.add(receipt)
        self.tally.chosen += 1
        try:
            await self._admit([item.payload], receipt, item.origin)
            receipt.seal()
        except asyncio.CancelledError:
            receipt.fail(self._why_ended)
            raise

    def _close(self, receipt: Receipt, item: Item[Any], cost: int) -> None:
        self._open.discard(receipt)
        self._room.release(cost)
        if receipt.failed is None:
            self._count(item, receipt.fates or ())
        else:
            self.tally.leave(receipt.failed)
            self._metrics.add(self._source.metric, 1, "left")
        self._changed.set()

    def _count(self, item: Item[Any], fates: Sequence[str]) -> None:
        """Count an item that is safe; the source is told later."""
        fate = self.tally.count(fates)
        self._safe.append((item.record, fate))
        self._metrics.add(self._source.metric, 1, fate)

    async def _mark(self) -> None:
        if self._safe:
            safe, self._safe = self._safe, []
            await self._source.settled(safe, self.tally)

    # --- purge --------------------------------------------------------------------------

    async def _purge(self) -> None:
        letters = chosen_letters(self._dead_letters.directory, self.order.choice)
        while chunk := await asyncio.to_thread(next_chunk, letters):
            await self._dead_letters.mark_done(chunk)
            self.tally.chosen += len(chunk)
            self.tally.purged += len(chunk)
            self._metrics.add("ptingest_dead_letters_dropped_events_total", len(chunk), "purged")


class RequeueJobs:
    """Runs jobs, one at a time, and knows the progress of the last one."""

    def __init__(
        self,
        *,
        admit: Admit,
        give_back: Callable[[], None],
        prepare: Callable[[], Awaitable[None]],
        dead_letters: DeadLetters,
        metrics: Metrics,
        event_of: EventOf,
        failures: Callable[[], ReadsFailures] | None = None,
    ) -> None:
        """``prepare`` runs first: a requeue assumes that the cause was fixed. ``failures``
        opens a reader of failure stores; None where the config has no Elasticsearch."""
        self._event_of, self._failures = event_of, failures
        self._admit, self._give_back, self._prepare = admit, give_back, prepare
        self._dead_letters, self._metrics = dead_letters, metrics
        self._number = 0
        self._current: RequeueJob | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped: str | None = None

    def begin(self, order: Order) -> dict[str, object]:
        """Begin a job and return ``progress``.

        Raises:
            JobRefused: another job is running, or this process is stopping.
        """
        if self._stopped is not None:
            raise JobRefused(why=self._stopped)
        if self._current is not None and self._task is not None and not self._task.done():
            raise JobRefused(why=f"a {self._current.order.what} is already running")
        source = self._source_of(order)
        self._number += 1
        self._current = RequeueJob(
            order,
            source,
            admit=self._admit,
            give_back=self._give_back,
            prepare=self._prepare,
            dead_letters=self._dead_letters,
            metrics=self._metrics,
        )
        self._task = asyncio.create_task(
            self._run(self._current), name=f"dead letters {order.what}"
        )
        return self.progress()

    def _source_of(self, order: Order) -> RequeueSource[Any]:
        if order.of == "dead_letters":
            return LetterSource(self._dead_letters, order.choice)
        if order.what == "purge":
            raise JobRefused(why="failure documents are purged only after they were requeued")
        if self._failures is None:
            raise JobRefused(why="the config has no sinks.elasticsearch, so no failure store")
        return FailureSource(
            self._failures(), order.choice, event_of=self._event_of, deletes=order.deletes
        )

    async def finish(self) -> Tally:
        """Wait for the job begun last; return its tally."""
        assert self._task is not None
        assert self._current is not None
        await self._task
        return self._current.tally

    async def stop(self, why: str) -> None:
        """Accept no more jobs and end the current one; its open letters stay."""
        self._stopped = why
        if self._current is not None and self._task is not None:
            self._current.stop(why)
            await asyncio.wait([self._task], timeout=STOP_SECONDS)

    def progress(self) -> dict[str, object]:
        """The progress of the last job as JSON-ready values, without text of events."""
        job = self._current
        if job is None:
            return {"number": 0, "what": None, "finished": True}
        return {
            "number": self._number,
            "what": job.order.what,
            "of": job.order.of,
            "finished": self._task is None or self._task.done(),
            "failed": job.failed,
            "tally": msgspec.structs.asdict(job.tally),
            "open_bytes": job.open_bytes,
            "open_limit_bytes": OPEN_BYTES,
        }

    async def _run(self, job: RequeueJob) -> None:
        log.info("dead letters: %s begins", job.order.what)
        try:
            await job.run()
        except Exception:  # the top of a task: the job ends, the server and its letters stay
            log.exception("a bug: the %s of dead letters failed; nothing is lost", job.order.what)
            job.failed = "it failed; the server's log has the traceback"
        tally = job.tally
        log.info(
            "dead letters: %s ends: %d chosen, %d done, %d left",
            job.order.what,
            tally.chosen,
            tally.settled,
            tally.left,
        )

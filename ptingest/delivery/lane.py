"""One sink's lane: documents in, outcomes out, nothing in between is forgotten.

    put --> Intake ----+
            retries ---+--> Schedule --> Attempts --+--> Settlement: safe, receipts told
            suspects --+    (slots,      (several   +--> RetryPolicy: again, after a backoff
            probes ----+     turns)       at once)  +--> RetryPolicy: no answer, now a suspect
                                                    +--> StreamBreakers: its stream is in trouble
                                                    +--> Settlement: refused, dead letters first

A document is always in exactly one place of the ``Inventory``, and leaves through ``Settlement``
only. Documents go out roughly in order; what is tried again may be overtaken. The parts decide;
this file moves documents from one part to the next, waits, and runs the tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Sequence

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.attempts import Attempts, Written
from ptingest.delivery.batch import Batch, is_given_up
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.intake import Intake
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.isolation import Isolation
from ptingest.delivery.lane_status import LaneStatus
from ptingest.delivery.rate.limiter import EndedAttempt, limiter_of
from ptingest.delivery.retry_policy import RetryPolicy
from ptingest.delivery.schedule import Schedule
from ptingest.delivery.settlement import Settlement
from ptingest.delivery.sink_health import SinkHealth
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.contracts import Clock, Sink
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal
from ptingest.settings.sinks import LaneSettings
from ptingest.telemetry.metrics import Metrics

CLOSE_SECONDS = 5.0
"""How long ``close`` waits for cancelled attempts; a sink that does not return is left behind."""
LONGEST_SLEEP_SECONDS = 60.0
LAST_TRY_SECONDS = 2.0
"""So long before a drain ends, backoffs are cut short for a last attempt."""


class Lane:
    """Takes documents to one sink; lives on one loop, runs as ``run()``."""

    def __init__(
        self,
        *,
        sink: Sink,
        settings: LaneSettings,
        budget: DocumentBudget,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        random: random.Random,
    ) -> None:
        self.name = sink.name
        self._metrics, self._clock, self._chance = metrics, clock, random.random
        self._limiter, isolation = limiter_of(settings), Isolation()
        self._attempts = Attempts(sink, isolation=isolation, metrics=metrics, clock=clock)
        self._intake = Intake(settings, in_flight=self._attempts.in_flight)
        self._limiter.aim(self._intake.batcher)
        self._build_ways_back(settings, budget, isolation)
        self._build_exits(Books(sink.name, budget=budget, metrics=metrics), dead_letters)
        self._schedule = Schedule(
            intake=self._intake,
            retries=self._retries,
            streams=self._streams,
            limiter=self._limiter,
            attempts=self._attempts,
            most_slots=settings.concurrency,
        )
        self._wake, self._quiet = asyncio.Event(), asyncio.Event()
        self._gives_back = False
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: asyncio.Event | None = None

    def _build_ways_back(
        self, settings: LaneSettings, budget: DocumentBudget, isolation: Isolation
    ) -> None:
        patience = settings.retry.patience_seconds
        self._streams = StreamBreakers(
            self.name,
            backoff=self._limiter.backoff,
            patience_seconds=patience,
            share_bytes=lambda: budget.limit // 4,  # SIGHUP changes the limit
        )
        self._retries = RetryPolicy(
            self.name,
            fresh=self._intake.batcher,
            limiter=self._limiter,
            streams=self._streams,
            isolation=isolation,
            patience_seconds=patience,
            chance=self._chance,
        )

    def _build_exits(self, books: Books, dead_letters: DeadLetters) -> None:
        dead_lettering = DeadLettering(
            dead_letters, books=books, metrics=self._metrics, on_failed=self.give_back
        )
        self._settlement = Settlement(books, dead_lettering, failing=self._retries.failing)
        self._inventory = Inventory(
            fresh=self._intake.batcher,
            again=self._retries.again,
            suspects=self._retries.suspects,
            streams=self._streams,
            in_flight=self._attempts.in_flight,
            dead_lettering=dead_lettering,
        )
        self.health = SinkHealth(
            self.name, retries=self._retries, attempts=self._attempts, inventory=self._inventory
        )
        self.status = LaneStatus(
            inventory=self._inventory,
            limiter=self._limiter,
            retries=self._retries,
            settlement=self._settlement,
            health=self.health,
            dead_letters=dead_letters,
            clock=self._clock,
            metrics=self._metrics,
        )

    @property
    def outstanding(self) -> int:
        """Documents in this lane, wherever they are."""
        return self._inventory.documents

    # --- documents in, and out without an outcome ---------------------------------------

    async def put(self, documents: list[Document]) -> None:
        """Take documents over, all or, when cancelled while it waits, none.

        The budget holds their cost already; the list must not change from now on. Waits
        while as many batches as may be in flight are full and wait as well.
        """
        if self._intake.is_crowded:
            await self._intake.wait_for_room()
        if self._intake.is_closed:
            self._settlement.give_back(documents, "the lane is closed")
            return
        if not documents:
            return
        self._quiet.clear()
        if self._intake.add(documents, self._clock.monotonic()):
            self._wake.set()
        if is_given_up(documents[0]):
            self.give_back()

    def small_due_at(self, sender: str) -> float:
        """When a small window of this sender would be written, as far as others matter."""
        return self._intake.small_due_at(sender)

    def hint_idle(self) -> None:
        """Nothing more is being admitted: the open batch may be sent before it is due."""
        if self._intake.note_idle():
            self._wake.set()

    def give_back(self) -> None:
        """Some receipt failed: release, soon, its documents that are not in flight."""
        if not self._gives_back:
            self._gives_back = True
            asyncio.get_running_loop().call_soon(self._give_back_waiting)

    def _give_back_waiting(self) -> None:
        self._gives_back = False
        self._settlement.give_back(self._inventory.remove_waiting(is_given_up), "given back")
        self._intake.make_room()
        self._note_quiet()

    def retry_streams(self) -> None:
        """The operator reports the cause as fixed: probe the streams in trouble at once."""
        self._streams.half_open(self._clock.monotonic())
        self._wake.set()

    # --- from start to close ------------------------------------------------------------

    async def run(self) -> None:
        """Write batches until ``close``; raises when something is wrong with the lane itself."""
        self._stopped = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as self._group:
                while not self._intake.is_closed:
                    self._wake.clear()
                    self._begin_attempts()
                    alarm = self._set_alarm()
                    try:
                        await self._wake.wait()
                    finally:
                        alarm.cancel()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._stopped.set()

    async def drain(self, deadline: float) -> int:
        """Close open batches and wait for outcomes until ``deadline``; return documents left."""
        self._intake.drain()
        self._wake.set()
        clock = self._clock
        last_try = deadline - min(LAST_TRY_SECONDS, (deadline - clock.monotonic()) / 2)
        for until in (last_try, deadline):
            self._note_quiet()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - clock.monotonic())):
                    await self._quiet.wait()
                    return 0
            self._limiter.backoff.succeeded()
            self._retries.hasten(everything=True)
            self._streams.hasten(clock.monotonic())
            self._wake.set()
        return self.outstanding

    async def close(self) -> None:
        """Stop, and give back whatever is left: those windows are not acked."""
        self._intake.close()
        self._wake.set()
        if self._stopped is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._stopped.wait()
        left = self._inventory.clear()
        self._settlement.give_back(left, "the server stopped before it was stored")

    # --- the way through ------------------------------------------------------------------

    def _begin_attempts(self) -> None:
        now = self._clock.monotonic()
        self._schedule.expire(now)
        while (batch := self._schedule.next(now)) is not None:
            self._attempts.begin(batch)
            self._start(self._attempt(batch))
        self._refuse(self._schedule.take_refused())
        self._intake.make_room()

    async def _attempt(self, batch: Batch) -> None:
        """Write one batch once, and move each of its documents on; the top of its task."""
        start = self._limiter.begin(self._clock.monotonic(), is_full=batch.is_full)
        doubtful = self._settlement.doubtful_among(batch.documents)
        written = await self._attempts.write(batch, start.at, doubtful)
        now = self.health.written_at = written.at
        is_crowded = len(self._attempts.in_flight) >= self._limiter.concurrency
        attempt = EndedAttempt(start, now, is_crowded and bool(self._intake.batcher))
        self._attempts.end(batch)
        self._move_on(batch, written, attempt)
        self._limiter.aim(self._intake.batcher)
        self._note_quiet()
        self._wake.set()

    def _move_on(self, batch: Batch, written: Written, attempt: EndedAttempt) -> None:
        result, outcomes = written.result, written.outcomes
        count = self._metrics.add
        count("ptingest_lane_doubtful_documents_total", len(result.doubtful), self.name)
        count("ptingest_lane_busy_documents_total", len(result.busy), self.name)
        self._settlement.note_doubt(outcomes)
        self._settlement.give_back(outcomes.take_given_up(), "given back")
        outcomes.blame_streams(is_probe=batch.probes is not None, known=self._retries.failing)
        self.health.note_trouble(self._retries.plan(batch, result, outcomes, attempt))
        if outcomes.has_answers:
            self._attempts.note_answer(attempt.start.at, attempt.ended)
        if outcomes.stored:
            self.health.stored_at = attempt.ended
        self._settlement.settle(outcomes)
        self._refuse(outcomes.refused)
        if outcomes.stream_busy:
            self._refuse(self._streams.hold(outcomes.stream_busy, attempt.ended, self._chance()))
            self._refuse(self._streams.expire(attempt.ended))

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        if refusals:
            for part in self._settlement.refuse(refusals):
                self._start(self._write_letters(part))

    async def _write_letters(self, part: Sequence[Refusal]) -> None:
        await self._settlement.write_letters(part)
        self._note_quiet()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        assert self._group is not None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note_quiet(self) -> None:
        """Tell a drain; called only when every document is back in its place."""
        if self._intake.is_draining and self.outstanding == 0:
            self._quiet.set()

    def _set_alarm(self) -> asyncio.TimerHandle:
        """Wake when the next time comes; the caller cancels it when others wake earlier."""
        now = self._clock.monotonic()
        # Never zero: the loop's clock and ours may disagree by a tick. Never infinite.
        seconds = min(max(0.001, self._schedule.next_time(now) - now), LONGEST_SLEEP_SECONDS)
        return asyncio.get_running_loop().call_later(seconds, self._wake.set)

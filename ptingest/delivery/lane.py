"""One sink's road: documents in, fates out, nothing in between is forgotten.

    put --> Batcher --+--> attempt --> outcomes --+--> settled: counted, released, receipts told
            RetryQueue+    (several at a time)    +--> again: RetryQueue, after a backoff
            suspects -+                           +--> no answer, others get one: a suspect, alone
            probes   -+                           +--> stream in trouble: set aside
                                                  +--> refused: dead letters, then settled

A document is always in exactly one place of the ``Inventory``. It leaves through ``Books`` only.
Documents go out roughly in order; what is tried again may be overtaken. The deciding is done in
``batch``, ``retry``, ``rate``, ``stream_breakers``, ``outcomes``, ``isolation``,
``failing_documents`` and ``retry_policy``; this file waits, writes and logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Sequence

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.batch import Batch, Batcher, is_given_up
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.deadlines import Deadlines
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.linger import Linger
from ptingest.delivery.outcomes import Outcomes, outcomes_of
from ptingest.delivery.rate.limiter import Attempt, AttemptStart, limiter_of
from ptingest.delivery.retry_policy import RetryPolicy
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.contracts import Clock, Sink
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.settings.sinks import LaneSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""How long ``close`` waits for cancelled attempts; a sink that holds on is left behind."""
LAST_TRY_SECONDS = 2.0
"""So long before a drain ends, backoffs are cut short for a last attempt."""
SPARE_SLOTS = 2
"""Attempts beside those that the limiter allows: suspects, and one for each that is silent."""


class Lane:
    """Takes documents to one sink; lives on one loop, runs as ``run()``."""

    sink_trouble: str | None = None
    written_at: float | None = None
    """When a write last ended, monotonic; None before the first."""

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
        self._sink, self._settings, self._dead_letters = sink, settings, dead_letters
        self._metrics, self._clock, self._chance = metrics, clock, random.random
        self._books = Books(sink.name, budget=budget, metrics=metrics)
        self._fresh = Batcher(**settings.batch.model_dump())
        self._limiter = limiter_of(settings)
        self._limiter.aim(self._fresh)
        self._streams, self._retries = self._make_retries(budget)
        self._again, self._suspects = self._retries.again, self._retries.suspects
        self._isolation = self._retries.isolation
        self._dead_lettering = DeadLettering(
            dead_letters, books=self._books, metrics=metrics, on_failed=self.give_back
        )
        self._inventory = Inventory(
            fresh=self._fresh,
            again=self._again,
            suspects=self._suspects,
            streams=self._streams,
            dead_lettering=self._dead_lettering,
        )
        self._in_flight = self._inventory.in_flight
        self._deadlines, self._linger = Deadlines(), Linger()
        self._doubtful: set[Document] = set()
        self._is_idle = self._prefers_fresh = self._is_draining = False
        self._is_closing = self._gives_back = False
        self._wake, self._room, self._quiet = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: asyncio.Event | None = None
        metrics.before_scrape(self._refresh)

    def _make_retries(self, budget: DocumentBudget) -> tuple[StreamBreakers, RetryPolicy]:
        patience = self._settings.retry.patience_seconds
        streams = StreamBreakers(
            self.name,
            backoff=self._limiter.backoff,
            patience_seconds=patience,
            share_bytes=lambda: budget.limit // 4,  # SIGHUP moves the limit
        )
        retries = RetryPolicy(
            self.name,
            fresh=self._fresh,
            limiter=self._limiter,
            streams=streams,
            patience_seconds=patience,
            chance=self._chance,
        )
        return streams, retries

    # --- what others see --------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Why the sink, or the dead letters, cannot take documents now; None when they can."""
        return self.sink_trouble or self._dead_letters.trouble

    @property
    def stream_troubles(self) -> list[str]:
        """A sentence for each data stream whose documents wait now; the others go on."""
        return [
            f"{one.data_stream.name}: {one.reason}: {one.detail}"
            for one in self._streams
            if not one.is_open and (one.held or one.is_probing)
        ]

    @property
    def waiting(self) -> int:
        """Documents that wait for a batch, an attempt or their data stream."""
        return self._inventory.waiting

    @property
    def outstanding(self) -> int:
        """Documents in this lane, wherever they are."""
        return self._inventory.documents

    @property
    def has_unanswered(self) -> bool:
        """Whether documents are not answered, so that it matters how the sink says it is."""
        if self._retries.unanswered or any(batch.unanswered for batch in self._in_flight):
            return True
        return self._deadlines.silent(self._clock.monotonic(), self._isolation.limit_seconds) > 0

    def outstanding_by_service(self) -> dict[str, int]:
        """Count the documents that are physically here, by service."""
        return self._inventory.by_service()

    def status(self) -> dict[str, object]:
        """Return the lane's row of ``/status``."""
        now = self._clock.monotonic()
        return {
            "in_flight": len(self._in_flight),
            "concurrency": self._limiter.concurrency,
            "waiting_documents": self.waiting,
            "outstanding_documents": self.outstanding,
            "retrying_documents": len(self._again) + len(self._suspects),
            "suspect_documents": len(self._suspects),
            "failing_documents": len(self._retries.patience),
            "doubtful_documents": len(self._doubtful),
            "backoff_seconds": round(max(0.0, self._limiter.backoff.until - now), 3),
            "failures": self._limiter.backoff.failures,
            "batch_max_documents": self._fresh.max_documents,
            "batch_max_bytes": self._fresh.max_bytes,
            "tuning": self._limiter.status(),
            "oldest_seconds": round(now - self._inventory.oldest(now), 3),
            "trouble": self.trouble,
            "troubled_streams": [stream.status(now) for stream in self._streams],
        }

    # --- documents in, and out without a fate -------------------------------------------

    async def put(self, documents: list[Document]) -> None:
        """Take documents over, all or, when cancelled while it waits, none.

        The budget holds their cost already; nobody changes the list from now on. Waits
        while as many batches as may be in flight are full and wait as well.
        """
        while self._is_crowded() and not self._is_closing:
            self._room.clear()
            await self._room.wait()
        if self._is_closing:
            self._books.give_back(documents, "the lane is closed")
            return
        if not documents:
            return
        was_empty = not self._fresh
        self._is_idle = self._is_draining
        self._quiet.clear()
        self._fresh.add(documents, self._clock.monotonic())
        if documents[0].receipt.failed is not None:
            self.give_back()
        if was_empty or self._fresh.is_full:
            self._wake.set()

    def hint_idle(self) -> None:
        """Nothing more is being admitted: the open batch may leave before it is due."""
        if not self._is_idle:
            self._is_idle = True
            if self._fresh:
                self._wake.set()

    def give_back(self) -> None:
        """Some receipt failed: let go, soon, of its documents that are not in flight."""
        if not self._gives_back:
            self._gives_back = True
            asyncio.get_running_loop().call_soon(self._give_back_lost)

    def _give_back_lost(self) -> None:
        self._gives_back = False
        self._give_back(self._inventory.remove_waiting(is_given_up), "given back")
        self._make_room()
        self._note_quiet()

    def _give_back(self, documents: Sequence[Document], reason: str) -> None:
        self._doubtful.difference_update(documents)
        self._retries.patience.forget(documents)
        self._books.give_back(documents, reason)

    def sink_is_healthy(self, asked_at: float) -> None:
        """The sink was asked, and would take documents: who keeps silent is given up."""
        self._retries.sink_is_healthy()
        self._isolation.sink_is_healthy(asked_at)
        self._deadlines.give_up_silent(asked_at, self._isolation.limit_seconds)

    def retry_streams(self) -> None:
        """Somebody says that what troubled data streams is mended: probe them at once."""
        self._streams.half_open(self._clock.monotonic())
        self._wake.set()

    # --- the life of a lane ---------------------------------------------------------------

    async def run(self) -> None:
        """Write batches until ``close``; raises when something is wrong with the lane itself."""
        self._stopped = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                while not self._is_closing:
                    self._wake.clear()
                    self._bury_expired(group)
                    self._begin_attempts(group)
                    await self._sleep()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._stopped.set()

    async def drain(self, deadline: float) -> int:
        """Close open batches and wait for fates until ``deadline``; return documents left."""
        self._is_draining = self._is_idle = True
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
        self._is_closing = True
        self._wake.set()
        self._room.set()
        if self._stopped is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._stopped.wait()
        self._give_back(self._inventory.clear(), "the server stopped before it was stored")

    # --- attempts -------------------------------------------------------------------------

    def _begin_attempts(self, group: asyncio.TaskGroup) -> None:
        now = self._clock.monotonic()
        while now >= self._limiter.backoff.until:
            batch = self._next_batch(group, now) if self._has_slot(now) else None
            batch = batch or self._next_suspect(now)
            if batch is None:
                break
            self._in_flight.add(batch)
            self._follow(group.create_task(self._attempt(batch, group)))
        self._make_room()

    def _has_slot(self, now: float) -> bool:
        """Whether one more may be in flight; who keeps silent must not keep its slot."""
        limit, most = self._limiter.concurrency, self._settings.concurrency + SPARE_SLOTS
        if len(self._in_flight) < limit:
            return True
        silent = self._deadlines.silent(now, self._isolation.limit_seconds)
        counted = len(self._in_flight) - self._suspects_in_flight - silent
        return counted < limit and len(self._in_flight) < most

    @property
    def _suspects_in_flight(self) -> int:
        return sum(batch.is_suspect for batch in self._in_flight)

    def _next_suspect(self, now: float) -> Batch | None:
        if not self._suspects or self._suspects_in_flight >= SPARE_SLOTS:
            return None
        return self._suspects.take(now, max_documents=1, max_bytes=0)

    def _next_batch(self, group: asyncio.TaskGroup, now: float) -> Batch | None:
        """Choose what goes next: probes are rare and small; then old and fresh take turns."""
        probe = self._streams.next_probe(now) if self._streams else None
        if probe is not None:
            return probe
        if self._prefers_fresh:
            batch = self._next_fresh(group, now) or self._next_again(now)
        else:
            batch = self._next_again(now) or self._next_fresh(group, now)
        self._prefers_fresh = batch is not None and batch.tries > 0
        return batch

    def _next_again(self, now: float) -> Batch | None:
        fresh = self._fresh
        return self._again.take(now, max_documents=fresh.max_documents, max_bytes=fresh.max_bytes)

    def _next_fresh(self, group: asyncio.TaskGroup, now: float) -> Batch | None:
        while self._fresh.is_due(now) or self._leaves_early_at() <= now:
            if not self._fresh.is_full:
                self._linger.left(self._fresh.senders, now)
            batch = self._fresh.take()
            if self._streams:
                self._bury(self._streams.divert(batch, now), group)
                self._bury_expired(group)
            if batch.documents:
                return batch
        return None

    def _leaves_early_at(self) -> float:
        """When the open batch, to which nobody adds now, need not wait for company any more."""
        if not (self._is_idle and self._fresh):
            return math.inf
        if self._is_draining or self._fresh.is_large_enough:
            return -math.inf
        return math.inf if self._in_flight else self._linger.leaves_at(self._fresh.senders)

    async def _attempt(self, batch: Batch, group: asyncio.TaskGroup) -> None:
        """Write one batch once; the top of its task."""
        self._metrics.add("ptingest_lane_batches_total", 1, self.name)
        self._metrics.observe("ptingest_lane_batch_documents", len(batch.documents), self.name)
        sent = self._limiter.sent(self._clock.monotonic(), is_full=batch.is_full)
        result, outcomes = await self._write(batch, sent)
        now = self.written_at = self._clock.monotonic()
        self._metrics.observe("ptingest_lane_write_seconds", now - sent.at, self.name)
        is_crowded = len(self._in_flight) >= self._limiter.concurrency and bool(self._fresh)
        attempt = Attempt(sent, now, is_crowded)
        self._in_flight.discard(batch)
        self._deadlines.over(batch)
        self._settle(batch, result, outcomes, attempt)
        self._bury(outcomes.refused, group)
        if outcomes.stream_busy:
            self._bury(self._streams.hold(outcomes.stream_busy, now, self._chance()), group)
            self._bury_expired(group)
        self._limiter.aim(self._fresh)
        self._note_quiet()
        self._wake.set()

    async def _write(self, batch: Batch, sent: AttemptStart) -> tuple[WriteResult, Outcomes]:
        """Return what the sink says; all is in doubt where nothing comes that can be believed."""
        documents = batch.documents
        doubtful = frozenset(self._doubtful.intersection(documents) if self._doubtful else ())
        seconds = self._isolation.suspect_seconds(batch) if batch.is_suspect else None
        deadline = self._deadlines.begin(batch, sent.at, seconds)
        trouble: str | None = None
        try:
            async with deadline:
                result = await self._sink.write(documents, doubtful)
                return result, outcomes_of(documents, result)
        except Exception:  # a bug of one sink must not end the lane
            if deadline.expired():
                waited = self._clock.monotonic() - sent.at
                trouble = f"no answer from {self.name} within {waited:.0f} s, others get theirs"
            else:
                log.exception(
                    "%s: a write failed in a way it must not; %d documents are tried again",
                    self.name,
                    len(documents),
                )
        result = WriteResult(doubtful=documents, trouble=trouble)
        return result, outcomes_of(documents, result)

    def _settle(
        self, batch: Batch, result: WriteResult, outcomes: Outcomes, attempt: Attempt
    ) -> None:
        """Close the books on what is safe, line up what goes again."""
        if self._doubtful:
            for settled, _ in outcomes.safe:
                self._doubtful.difference_update(settled)
        self._doubtful.update(outcomes.doubtful)
        count = self._metrics.add
        count("ptingest_lane_doubtful_documents_total", len(result.doubtful), self.name)
        count("ptingest_lane_busy_documents_total", len(result.busy), self.name)
        self._give_back(outcomes.take_given_up(), "given back")
        known = self._retries.patience
        outcomes.blame_streams(is_probe=batch.probes is not None, known=known)
        self.note_trouble(self._retries.plan(batch, result, outcomes, attempt))
        if outcomes.has_answers:
            self._deadlines.answered(attempt.sent.at, attempt.ended, self._isolation.limit_seconds)
        for settled, fate in outcomes.safe:
            self._books.settle(settled, fate)

    # --- data streams in trouble, and dead letters ----------------------------------------

    def _bury_expired(self, group: asyncio.TaskGroup) -> None:
        if self._streams:
            self._bury(self._streams.expire(self._clock.monotonic()), group)

    def _bury(self, refusals: Sequence[Refusal], group: asyncio.TaskGroup) -> None:
        lost = [refusal.document for refusal in refusals if is_given_up(refusal.document)]
        if lost:
            # Their Beat sends them again; a letter now would be one too many.
            self._give_back(lost, "given back")
            refusals = [refusal for refusal in refusals if not is_given_up(refusal.document)]
        documents = [refusal.document for refusal in refusals]
        self._doubtful.difference_update(documents)
        self._retries.patience.forget(documents)
        for part in self._dead_lettering.accept(refusals):
            self._follow(group.create_task(self._bury_part(part)))

    async def _bury_part(self, part: Sequence[Refusal]) -> None:
        await self._dead_lettering.bury(part)
        self._note_quiet()

    def _follow(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- small things -----------------------------------------------------------------------

    def note_trouble(self, trouble: str | None) -> None:
        """Know from now on why the sink takes no documents; None: it does."""
        before, self.sink_trouble = self.sink_trouble, trouble
        if trouble is not None and trouble != before:
            log.warning("%s: %s", self.name, trouble)
        elif trouble is None and before is not None:
            log.info("%s takes documents again", self.name)

    def _make_room(self) -> None:
        if not self._is_crowded():
            self._room.set()

    def _note_quiet(self) -> None:
        """Tell a drain; called only when every document is back in its place."""
        if self._is_draining and self.outstanding == 0:
            self._quiet.set()

    def _is_crowded(self) -> bool:
        fresh, batches = self._fresh, self._settings.concurrency
        most = batches * fresh.max_documents
        return fresh.documents > most or fresh.size > batches * fresh.max_bytes

    async def _sleep(self) -> None:
        """Wait for something to do: woken by others, or when the next time comes."""
        # Never zero: the loop's clock and ours may disagree by a tick.
        seconds = max(0.001, self._next_time() - self._clock.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                await self._wake.wait()

    def _next_time(self) -> float:
        now, backoff = self._clock.monotonic(), self._limiter.backoff.until
        due = [] if self._suspects_in_flight >= SPARE_SLOTS else [self._suspects.next_due]
        if self._has_slot(now):
            # Without a free slot the end of an attempt wakes us, or one that is silent too long.
            fresh, early = self._fresh.closes_at, self._leaves_early_at()
            due += [fresh, early, self._again.next_due, self._streams.next_probe_at]
        times = [max(time, backoff) for time in due if time is not None]
        times += self._deadlines.next_silent(now, self._isolation.limit_seconds)
        if (expiry := self._streams.next_expiry) is not None:
            times.append(expiry)
        return min(times, default=math.inf)

    def _refresh(self) -> None:
        set_gauge, name, tuner = self._metrics.set, self.name, self._limiter.tuner
        set_gauge("ptingest_lane_in_flight", len(self._in_flight), name)
        set_gauge("ptingest_lane_concurrency", self._limiter.concurrency, name)
        set_gauge("ptingest_lane_batch_limit_bytes", self._fresh.max_bytes, name)
        set_gauge("ptingest_lane_batch_limit_documents", self._fresh.max_documents, name)
        changes = "ptingest_lane_tuning_changes_total"
        self._metrics.add(changes, tuner.changes - self._metrics.value(changes, name), name)
        if (measured := tuner.measured) is not None:
            set_gauge("ptingest_lane_full_load_bytes_per_second", measured.bytes_per_second, name)
        if tuner.baseline_seconds is not None:
            set_gauge("ptingest_lane_baseline_write_seconds", tuner.baseline_seconds, name)
        set_gauge("ptingest_lane_waiting_documents", self.waiting, name)
        set_gauge("ptingest_lane_is_in_trouble", self.trouble is not None, name)

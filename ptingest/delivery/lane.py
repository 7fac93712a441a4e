"""One sink's road: documents in, fates out, nothing in between is forgotten.

    put --> Batcher --+--> attempt --> judge --+--> settled: counted, released, receipts told
            RetryQueue+    (several at a time) +--> again: RetryQueue, after a backoff
            probes   -+                        +--> stream in trouble: set aside
                                               +--> refused: dead letters, then settled

A document is always in exactly one of the ``Places``. It leaves through ``Books`` only.
Documents go out roughly in order; what is tried again may be overtaken. The deciding is
done in ``batch``, ``retry``, ``pace``, ``streams`` and ``judge``; this file waits, writes
and logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Sequence

from ptingest.delivery.batch import Batch, Batcher, batch_of, body_bytes, halves, is_lost
from ptingest.delivery.books import Books
from ptingest.delivery.budget import Budget
from ptingest.delivery.burial import Burial
from ptingest.delivery.company import Company
from ptingest.delivery.dead_letter import DeadLetters
from ptingest.delivery.judge import Verdict, judge
from ptingest.delivery.pace import Trip, complaint_of, pace_of
from ptingest.delivery.places import Places
from ptingest.delivery.retry import RetryQueue
from ptingest.delivery.streams import TroubledStreams
from ptingest.model.contracts import Clock, Sink
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, Refusal, WriteResult
from ptingest.settings.sinks import LaneSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""How long ``close`` waits for cancelled attempts; a sink that holds on is left behind."""
LAST_TRY_SECONDS = 2.0
"""So long before a drain ends, backoffs are cut short for a last attempt."""


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
        budget: Budget,
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
        self._pace = pace_of(settings)
        self._pace.aim(self._fresh)
        self._again, self._company = RetryQueue(), Company()
        self._streams = TroubledStreams(
            sink.name,
            backoff=self._pace.backoff,
            patience_seconds=settings.retry.patience_seconds,
            share_bytes=lambda: budget.limit // 4,  # SIGHUP moves the limit
        )
        self._burial = Burial(
            dead_letters, books=self._books, metrics=metrics, on_failed=self.give_back
        )
        self._places = Places(
            fresh=self._fresh, again=self._again, streams=self._streams, burial=self._burial
        )
        self._in_flight = self._places.in_flight
        self._doubtful: set[Document] = set()
        self._is_idle = self._prefers_fresh = self._is_draining = False
        self._is_closing = self._gives_back = False
        self._wake, self._room, self._quiet = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: asyncio.Event | None = None
        metrics.before_scrape(self._refresh)

    # --- what others see --------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Why the sink, or the dead letters, cannot take documents now; None when they can."""
        return self.sink_trouble or self._dead_letters.trouble

    @property
    def stream_troubles(self) -> list[str]:
        """A sentence for each data stream that is not written to now; the others go on."""
        return [f"{one.data_stream.name}: {one.reason}: {one.detail}" for one in self._streams]

    @property
    def waiting(self) -> int:
        """Documents that wait for a batch, an attempt or their data stream."""
        return self._places.waiting

    @property
    def outstanding(self) -> int:
        """Documents in this lane, wherever they are."""
        return self._places.documents

    def outstanding_by_service(self) -> dict[str, int]:
        """Count the documents that are physically here, by service."""
        return self._places.by_service()

    def status(self) -> dict[str, object]:
        """Return the lane's row of ``/status``."""
        now = self._clock.monotonic()
        return {
            "in_flight": len(self._in_flight),
            "concurrency": self._pace.concurrency,
            "waiting_documents": self.waiting,
            "outstanding_documents": self.outstanding,
            "retrying_documents": len(self._again),
            "doubtful_documents": len(self._doubtful),
            "backoff_seconds": round(max(0.0, self._pace.backoff.until - now), 3),
            "failures": self._pace.backoff.failures,
            "batch_max_documents": self._fresh.max_documents,
            "batch_max_bytes": self._fresh.max_bytes,
            "tuning": self._pace.status(),
            "oldest_seconds": round(now - self._places.oldest(now), 3),
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
        self._give_back(self._places.remove_waiting(is_lost), "given back")
        self._make_room()
        self._note_quiet()

    def _give_back(self, documents: Sequence[Document], reason: str) -> None:
        self._doubtful.difference_update(documents)
        self._books.give_back(documents, reason)

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
            self._pace.backoff.succeeded()
            self._again.hasten(everything=True)
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
        self._give_back(self._places.clear(), "the server stopped before it was stored")

    # --- attempts -------------------------------------------------------------------------

    def _begin_attempts(self, group: asyncio.TaskGroup) -> None:
        now = self._clock.monotonic()
        while len(self._in_flight) < self._pace.concurrency and now >= self._pace.backoff.until:
            batch = self._next_batch(group, now)
            if batch is None:
                break
            self._in_flight.add(batch)
            self._follow(group.create_task(self._attempt(batch, group)))
        self._make_room()

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
                self._company.left(self._fresh.senders, now)
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
        if self._is_draining or self._fresh.is_worth_it:
            return -math.inf
        return math.inf if self._in_flight else self._company.leaves_at(self._fresh.senders)

    async def _attempt(self, batch: Batch, group: asyncio.TaskGroup) -> None:
        """Write one batch once; the top of its task."""
        self._metrics.add("ptingest_lane_batches_total", 1, self.name)
        self._metrics.observe("ptingest_lane_batch_documents", len(batch.documents), self.name)
        doubtful = frozenset(self._doubtful.intersection(batch.documents) if self._doubtful else ())
        sent = self._pace.sent(self._clock.monotonic(), is_full=batch.is_full)
        verdict: Verdict | None = None
        try:
            result = await self._sink.write(batch.documents, doubtful)
            verdict = judge(batch.documents, result)
        except Exception:
            log.exception(
                "%s: a write failed in a way it must not; %d documents are tried again",
                self.name,
                len(batch.documents),
            )
            result = WriteResult(doubtful=batch.documents)
        now = self.written_at = self._clock.monotonic()
        self._metrics.observe("ptingest_lane_write_seconds", now - sent.at, self.name)
        is_crowded = len(self._in_flight) >= self._pace.concurrency and bool(self._fresh)
        trip = Trip(sent, now, is_crowded)
        self._in_flight.discard(batch)
        if verdict is None:
            self._note_bug(batch, trip)
        else:
            self._settle(batch, result, verdict, trip)
            self._bury(verdict.refused, group)
            if verdict.stream_busy:
                self._bury(self._streams.hold(verdict.stream_busy, now, self._chance()), group)
                self._bury_expired(group)
        self._pace.aim(self._fresh)
        self._note_quiet()
        self._wake.set()

    def _settle(self, batch: Batch, result: WriteResult, verdict: Verdict, trip: Trip) -> None:
        """Learn from the answer, line up what goes again, close the books on what is safe."""
        now = trip.ended
        if self._doubtful:
            for settled in (verdict.stored, verdict.already_stored, verdict.failure_stored):
                self._doubtful.difference_update(settled)
        self._doubtful.update(verdict.doubtful)
        self._give_back(verdict.take_lost(), "given back")
        self.note_trouble(result.trouble)
        if result.too_large:
            self._split(batch, verdict, now)
            self._pace.refused_for_size(trip)
        else:
            if verdict.has_answers:
                self._fresh.note_taken(batch.size)
            waits_for_sink = self._learn(batch, result, verdict, trip)
            if batch.probes is not None:
                held = self._streams.judge_probe(batch, verdict, now, self._chance())
                if held is not None:
                    self._again.add(held)
            if verdict.again:
                self._try_again(batch, verdict, now, waits_for_sink=waits_for_sink)
        self._books.settle(verdict.stored, Fate.STORED)
        self._books.settle(verdict.already_stored, Fate.ALREADY_STORED)
        self._books.settle(verdict.failure_stored, Fate.FAILURE_STORED)

    def _learn(self, batch: Batch, result: WriteResult, verdict: Verdict, trip: Trip) -> bool:
        """Adapt the pace to an answer; return whether it is the sink that needs time."""
        doubtful = len(result.doubtful)
        self._metrics.add("ptingest_lane_doubtful_documents_total", doubtful, self.name)
        self._metrics.add("ptingest_lane_busy_documents_total", len(result.busy), self.name)
        is_the_sinks = (
            result.trouble is not None
            or result.retry_after_seconds is not None
            # Documents that come back again and again while others are taken wait on their
            # own: a lane that paused for them would let them stop the others.
            or (not verdict.has_answers and batch.is_fresh)
        )
        complaint = complaint_of(result)
        if is_the_sinks:
            retry_after = result.retry_after_seconds
            self._pace.struggled(trip, self._chance(), retry_after, complaint or "no answer")
        elif self._pace.answered(
            trip, size=batch.size, complaint=complaint, has_answers=verdict.has_answers
        ):
            self._again.hasten()
        return is_the_sinks

    def _try_again(
        self, batch: Batch, verdict: Verdict, now: float, *, waits_for_sink: bool
    ) -> None:
        again = batch_of(verdict.again, batch.since)
        again.tries, again.waits_for_sink = batch.tries + 1, waits_for_sink
        again.is_alone = batch.is_alone
        own = now + self._pace.backoff.seconds(again.tries, self._chance())
        again.due = self._pace.backoff.until if waits_for_sink else own
        self._again.add(again)

    def _split(self, batch: Batch, verdict: Verdict, now: float) -> None:
        """Halve a batch refused for its size; one document alone is refused for good."""
        if len(batch.documents) == 1 and verdict.again:
            detail = f"{self.name} takes no body of {batch.size} bytes (413)"
            verdict.refused = [Refusal(batch.documents[0], "too_large", detail)]
            verdict.again = []
        if batch.probes is not None:
            self._streams.probe_too_large(batch.probes, verdict.again, now)
        elif verdict.again:
            before = self._fresh.max_bytes
            self._fresh.shrink(batch.size)
            if self._fresh.max_bytes < before:
                log.warning(
                    "%s refused a batch of %d bytes for its size (413); batches are at most %d "
                    "bytes from now on; set sinks.%s.batch.max_bytes to that to begin with it",
                    self.name,
                    batch.size,
                    self._fresh.max_bytes,
                    self.name,
                )
            batch.documents, batch.size = verdict.again, body_bytes(verdict.again)
            self._again.add_all(halves(batch))

    def _note_bug(self, batch: Batch, trip: Trip) -> None:
        """A write raised: nobody knows what was stored, all of it goes again.

        Where the sink took other batches since the last failure, one document of this one
        may be to blame, and halving finds it.
        """
        self._metrics.add("ptingest_lane_doubtful_documents_total", len(batch.documents), self.name)
        may_be_one = self._pace.backoff.failures == 0
        now = trip.ended
        self._pace.struggled(trip, self._chance(), None, "a write failed")
        self._give_back([d for d in batch.documents if is_lost(d)], "given back")
        batch.documents = [d for d in batch.documents if not is_lost(d)]
        batch.size = body_bytes(batch.documents)
        self._doubtful.update(batch.documents)
        if batch.probes is not None:
            self._streams.probe_unanswered(batch.probes, batch.documents, now, self._chance())
        elif batch.documents:
            batch.tries += 1
            batch.due = now + self._pace.backoff.seconds(batch.tries, self._chance())
            self._again.add_all(halves(batch) if may_be_one else [batch])

    # --- data streams in trouble, and dead letters ----------------------------------------

    def _bury_expired(self, group: asyncio.TaskGroup) -> None:
        if self._streams:
            self._bury(self._streams.expire(self._clock.monotonic()), group)

    def _bury(self, refusals: Sequence[Refusal], group: asyncio.TaskGroup) -> None:
        lost = [refusal.document for refusal in refusals if is_lost(refusal.document)]
        if lost:
            # Their Beat sends them again; a letter now would be one too many.
            self._give_back(lost, "given back")
            refusals = [refusal for refusal in refusals if not is_lost(refusal.document)]
        if self._doubtful:
            self._doubtful.difference_update([refusal.document for refusal in refusals])
        for part in self._burial.accept(refusals):
            self._follow(group.create_task(self._bury_part(part)))

    async def _bury_part(self, part: Sequence[Refusal]) -> None:
        await self._burial.bury(part)
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
        times = [self._streams.next_expiry]
        if len(self._in_flight) < self._pace.concurrency:
            # Without a free slot the end of an attempt wakes us.
            fresh, early = self._fresh.closes_at, self._leaves_early_at()
            due = [fresh, early, self._again.next_due, self._streams.next_probe_at]
            times += [max(time, self._pace.backoff.until) for time in due if time is not None]
        return min((time for time in times if time is not None), default=math.inf)

    def _refresh(self) -> None:
        set_gauge, name, tuner = self._metrics.set, self.name, self._pace.tuner
        set_gauge("ptingest_lane_in_flight", len(self._in_flight), name)
        set_gauge("ptingest_lane_concurrency", self._pace.concurrency, name)
        set_gauge("ptingest_lane_batch_limit_bytes", self._fresh.max_bytes, name)
        set_gauge("ptingest_lane_batch_limit_documents", self._fresh.max_documents, name)
        changes = "ptingest_lane_tuning_changes_total"
        self._metrics.add(changes, tuner.changes - self._metrics.value(changes, name), name)
        if (reading := tuner.reading) is not None:
            set_gauge("ptingest_lane_full_load_bytes_per_second", reading.bytes_per_second, name)
        if tuner.baseline_seconds is not None:
            set_gauge("ptingest_lane_baseline_write_seconds", tuner.baseline_seconds, name)
        set_gauge("ptingest_lane_waiting_documents", self.waiting, name)
        set_gauge("ptingest_lane_is_in_trouble", self.trouble is not None, name)

"""The itinerary: what happens to a window's payloads, stop by stop.

    4 admit     payloads in chunks, the budget taken for each, a breath before each
    5 decode    )
    6 classify  ) Pipeline.process: pure, a chunk at a time; large events in another process
    7 encode    )
    8 lanes     documents to every sink's lane
    -           letters to the dead letters, fsynced before they settle

The flow owns events between ``process`` and ``put``; from there a lane does. Whatever
leaves this way is counted once in the books of each sink.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace
from pydantic import ByteSize

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.batch import cost_of
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.lane import Lane
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable
from ptingest.model.contracts import Breath, Clock
from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES, LARGE_BYTES, Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Fate, Processed
from ptingest.model.receipt import Receipt
from ptingest.observe.taps import Taps
from ptingest.observe.trace_buffer import Journal
from ptingest.observe.traffic import TrafficWatch
from ptingest.pipeline.authorize import process_permitted
from ptingest.pipeline.pipeline import Pipeline, as_it_came
from ptingest.pipeline.stream_limit import StreamLimit
from ptingest.server.large_events import LargeEvents
from ptingest.server.poison import PoisonRecord
from ptingest.settings.why import WhySettings
from ptingest.telemetry.metrics import Metrics

CHUNK_EVENTS = 256
"""Events between two breaths of the loop: 3 to 5 ms of work."""
CHUNK_BYTES = LARGE_BYTES
"""Of several events together, so that a breath is never far; a larger one is alone."""
BODY_SHARE = 2.2
"""A body is at most about this many times its payload (message is in it three times);
only for the estimate that is taken before a chunk is processed, corrected right after."""

TOO_MANY_LARGE = "too many large events are being worked on; the Beat sends its window again"
EVENT_TOO_LARGE = "event_too_large"
ENDED_WORKER = "ended_worker"
SETTLED = "ptingest_lane_settled_events_total"


class Flow:
    """Admits payloads for every source; built in assembly."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        lanes: Sequence[Lane],
        sinks: Sequence[str],
        budget: DocumentBudget,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        breath: Breath,
        event_bytes: int,
        poison: PoisonRecord,
        taps: Taps | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.event_bytes = event_bytes
        """A larger event is never decoded."""
        self._poison = poison
        self.large = LargeEvents(lambda: self.pipeline.profile)
        self.taps = taps or Taps(clock)
        self._journal = journal or Journal(WhySettings(max_bytes=ByteSize(0)), clock=clock)
        self.watch = TrafficWatch(pipeline.profile)
        self._lanes = lanes
        self._sinks = sinks
        self._budget = budget
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._breath = breath
        self._stream_limit = StreamLimit()
        self._active = 0
        self._custody: dict[str, Counter[str]] = {sink: Counter() for sink in sinks}

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        """Take ``payloads`` of one window to their lanes; see ``contracts.Admit``."""
        self._active += 1
        letters: list[DeadLetter] = []
        try:
            for chunk in chunks(payloads, min(CHUNK_BYTES, self.event_bytes)):
                if receipt.failed is not None:
                    break
                if len(chunk) > 1 and self._poison.is_suspect(chunk):
                    await self._admit_singly(chunk, receipt, origin, letters)
                else:
                    await self._admit_chunk(chunk, receipt, origin, letters)
            if letters:
                await self._keep_letters(letters, receipt)
                letters = []
        finally:
            self._lose(letters, receipt, "admission was cut short")
            self._active -= 1
            if self._active == 0:
                # The same Beat's next window may be there already: look again after it.
                asyncio.get_running_loop().call_soon(self._hint_idle)

    async def _admit_singly(
        self,
        chunk: Sequence[bytes],
        receipt: Receipt,
        origin: Origin,
        letters: list[DeadLetter],
    ) -> None:
        """Find the event that ends a process with each chunk it is in."""
        for payload in chunk:
            if receipt.failed is not None:
                return
            await self._admit_chunk([payload], receipt, origin, letters, is_split=True)
        self._poison.forget(chunk)

    def _hint_idle(self) -> None:
        if self._active == 0:
            for lane in self._lanes:
                lane.hint_idle()

    async def _admit_chunk(
        self,
        chunk: Sequence[bytes],
        receipt: Receipt,
        origin: Origin,
        letters: list[DeadLetter],
        *,
        is_split: bool = False,
    ) -> None:
        """Process one chunk, put its documents into every lane, its letters to ``letters``."""
        size = sum(map(len, chunk))
        if len(chunk) == 1 and LARGE_BYTES < size <= self.event_bytes:
            # Large ones wait for each other before they ask for the budget: who stands at
            # its head must not wait for anything but sinks.
            async with self.large.turn(receipt, size) as is_granted:
                if not is_granted:
                    receipt.fail(TOO_MANY_LARGE)
                    return
                processed = await self._charged(chunk, size, receipt, origin, letters)
        else:
            processed = await self._charged(
                chunk, size, receipt, origin, letters, is_split=is_split
            )
        documents = processed.documents
        if documents:
            # Nothing but documents, as nearly always: they were counted already.
            is_counted = not (processed.dropped or processed.dead_letters)
            counts = processed.received if is_counted else count_by_service(documents)
            await self._put(documents, receipt, counts)

    async def _charged(
        self,
        chunk: Sequence[bytes],
        size: int,
        receipt: Receipt,
        origin: Origin,
        letters: list[DeadLetter],
        *,
        is_split: bool = False,
    ) -> Processed:
        """Process a chunk of so many bytes within the budget, which holds its documents
        afterwards."""
        share = 1.0 if size > self.event_bytes else 1 + BODY_SHARE
        estimate = int(size * share) + DOCUMENT_OVERHEAD_BYTES * len(chunk)
        estimate *= len(self._lanes)
        pot = self._budget if size > self.event_bytes else self._budget.pot_of(size)
        await pot.take(estimate)
        try:
            processed = await self._process(chunk, size, receipt, origin, is_split=is_split)
            letters += processed.dead_letters
            if sum(len(letter.payload) for letter in letters) > LARGE_BYTES:
                # What the budget does not count any more must not pile up.
                await self._keep_letters(letters, receipt)
                letters.clear()
        except BaseException:
            pot.release(estimate)
            raise
        cost = cost_of(processed.documents)
        self._journal.saw(chunk, processed, cost, receipt, origin)
        cost *= len(self._lanes)
        pot.charge(cost)
        pot.release(estimate)
        return processed

    async def _process(
        self, chunk: Sequence[bytes], size: int, receipt: Receipt, origin: Origin, *, is_split: bool
    ) -> Processed:
        """Decide the fate of each payload: here, or, of a large one, where it stops nobody."""
        now_ns = self._clock.time_ns()
        is_single = len(chunk) == 1
        if is_single and size > self.event_bytes:
            processed = too_large(chunk[0], origin, limit=self.event_bytes)
        elif is_single and size > LARGE_BYTES:
            processed = await self._process_large(chunk[0], receipt, origin, now_ns)
        elif is_single and origin.source != "requeue" and self._poison.is_suspect(chunk):
            processed = poisonous(chunk[0], origin)
        else:
            await self._breath(size)
            began = time.perf_counter()
            with self._poison.working_on(chunk, is_split=is_split):
                processed = process_permitted(
                    self.pipeline, chunk, receipt=receipt, origin=origin, now_ns=now_ns
                )
            self._metrics.add("ptingest_pipeline_seconds_total", time.perf_counter() - began)
        if origin.key is not None:
            processed = with_key(processed, origin.key)
        self._stream_limit.apply(processed, self.pipeline.profile)
        self._note(chunk, processed, receipt, origin, now_ns)
        return processed

    async def _process_large(
        self, payload: bytes, receipt: Receipt, origin: Origin, now_ns: int
    ) -> Processed:
        try:
            return await self.large.process(payload, receipt=receipt, origin=origin, now_ns=now_ns)
        except OSError as error:
            receipt.fail(f"no process can be had for an event of {len(payload)} bytes: {error}")
            return Processed()

    def _note(
        self,
        chunk: Sequence[bytes],
        processed: Processed,
        receipt: Receipt,
        origin: Origin,
        now_ns: int,
    ) -> None:
        """Open the books of a chunk, and show it to those who look on."""
        metrics = self._metrics
        for service, count in processed.received.items():
            metrics.add("ptingest_flow_received_events_total", count, service)
            for sink in self._sinks:
                self._custody[sink][service] += count
        for (service, reason), count in processed.dropped.items():
            metrics.add("ptingest_flow_dropped_events_total", count, service, reason)
            self._close_books(service, Fate.DROPPED, count)
        for (service, what), count in processed.tallies.items():
            metrics.add("ptingest_pipeline_noted_events_total", count, service, what)
        self.watch.look(processed, self.pipeline.profile, now_ns)
        receipt.expect(len(processed.documents) * len(self._lanes) + len(processed.dead_letters))
        if self.taps.open:
            self.taps.see(self.pipeline, chunk, processed, origin.peer, now_ns)

    async def _put(
        self, documents: list[Document], receipt: Receipt, by_service: Mapping[str, int]
    ) -> None:
        waiting = list(zip(self._sinks, self._lanes, strict=True))
        try:
            while waiting:
                sink, lane = waiting[0]
                await lane.put(documents)
                waiting.pop(0)
                self._custody[sink].subtract(by_service)
        finally:
            for sink, _ in waiting:  # only when put was cancelled: those never reached a lane
                receipt.fail("admission was cut short")
                self._budget.let_go(documents)
                for service, count in by_service.items():
                    self._custody[sink][service] -= count
                    self._metrics.add(SETTLED, count, sink, service, Fate.GIVEN_BACK)

    async def _keep_letters(self, letters: list[DeadLetter], receipt: Receipt) -> None:
        try:
            await self._dead_letters.put(letters)
        except (DeadLettersFull, DeadLettersUnwritable) as error:
            self._lose(letters, receipt, str(error))
            return
        for letter in letters:
            self._metrics.add(
                "ptingest_flow_dead_lettered_events_total", 1, letter.service, letter.reason
            )
            self._close_books(letter.service, Fate.DEAD_LETTERED, 1)
        receipt.settle(len(letters), Fate.DEAD_LETTERED)

    def _lose(self, letters: list[DeadLetter], receipt: Receipt, reason: str) -> None:
        """Letters that were not kept: their window is not acked and comes again."""
        if letters:
            receipt.fail(reason)
            for letter in letters:
                self._close_books(letter.service, Fate.GIVEN_BACK, 1)

    def _close_books(self, service: str, fate: Fate, count: int) -> None:
        for sink in self._sinks:
            self._custody[sink][service] -= count
            self._metrics.add(SETTLED, count, sink, service, fate)

    def admitting(self, sink: str) -> Counter[str]:
        """Events by service that this sink's lane has not got yet."""
        return self._custody[sink]

    @property
    def is_idle(self) -> bool:
        return self._active == 0


def chunks(payloads: Sequence[bytes], most_bytes: int = CHUNK_BYTES) -> Iterable[Sequence[bytes]]:
    """Cut payloads into runs of at most CHUNK_EVENTS and ``most_bytes``, larger ones alone."""
    for start in range(0, len(payloads), CHUNK_EVENTS):
        chunk = payloads[start : start + CHUNK_EVENTS]
        if sum(map(len, chunk)) <= most_bytes:
            yield chunk
        else:
            yield from _by_bytes(chunk, most_bytes)


def _by_bytes(payloads: Sequence[bytes], most_bytes: int) -> Iterable[Sequence[bytes]]:
    run: list[bytes] = []
    size = 0
    for payload in payloads:
        if run and size + len(payload) > most_bytes:
            yield run
            run, size = [], 0
        run.append(payload)
        size += len(payload)
    if run:
        yield run


def too_large(payload: bytes, origin: Origin, *, limit: int) -> Processed:
    """Make a letter of an event beyond the limit, as it came."""
    detail = (
        f"an event of {len(payload)} bytes, {limit} are allowed (beats.limits.event_bytes); "
        "raise it and requeue the letter, or have the sender cut its events"
    )
    return as_it_came(payload, peer=origin.peer, reason=EVENT_TOO_LARGE, detail=detail)


def poisonous(payload: bytes, origin: Origin) -> Processed:
    """Make a letter of an event that ended one process after the other, as it came."""
    detail = (
        "each process that worked on this event ended or did not come to an end; report it, "
        "and requeue it with a version that mends it"
    )
    return as_it_came(payload, peer=origin.peer, reason=ENDED_WORKER, detail=detail)


def with_key(processed: Processed, key: str) -> Processed:
    """Give what was made of a requeued letter the key that the letter had."""
    processed.documents = [replace(one, key=key) for one in processed.documents]
    processed.dead_letters = [replace(one, key=key) for one in processed.dead_letters]
    return processed


def count_by_service(documents: Iterable[Document]) -> Counter[str]:
    return Counter([document.service for document in documents])

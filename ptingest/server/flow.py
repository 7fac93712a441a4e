"""The itinerary: what happens to a window's payloads, stop by stop.

    admit     payloads in chunks, the budget taken for each          server/chunks
    process   a chunk to documents, dead letters and drops           server/processing
    count     the books of each sink are opened                      server/custody
    observe   traces, taps and traffic samples look at the chunk     observe/observer
    put       documents to the lane of every sink                    delivery/lane
    keep      letters to the dead letters, fsynced before they settle

The flow owns events between ``process`` and ``put``; from there a lane does. Whatever
leaves this way is counted once in the books of each sink.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.batch import cost_of
from ptingest.delivery.books import by_service
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.lane import Lane
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable
from ptingest.model.contracts import ChunkObserver, Clock
from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES, LARGE_BYTES, Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Fate, Processed
from ptingest.model.outputs import Outputs
from ptingest.model.receipt import Receipt
from ptingest.pipeline.records import taken_in
from ptingest.server.chunks import CHUNK_BYTES, chunks
from ptingest.server.custody import Custody
from ptingest.server.processing import Processing
from ptingest.telemetry.metrics import Metrics

BODY_SHARE = 2.2
"""A body is at most about this many times its payload (message is in it three times);
only for the estimate that is taken before a chunk is processed, corrected right after."""
TOO_MANY_LARGE = "too many large events are being worked on; the Beat sends its window again"
CUT_SHORT = "admission was cut short"


class _Portion(NamedTuple):
    """What one lane gets of a chunk."""

    lane: Lane
    documents: list[Document]
    counts: Mapping[str, int]
    """Service -> documents."""


class Flow:
    """Admits payloads for every source; built in assembly."""

    def __init__(
        self,
        processing: Processing,
        *,
        lanes: Sequence[Lane],
        custody: Custody,
        budget: DocumentBudget,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        observer: ChunkObserver | None = None,
    ) -> None:
        self.processing = processing
        self._lanes = lanes
        self.custody = custody
        """Events that no lane has yet."""
        self._budget, self._dead_letters = budget, dead_letters
        self._metrics, self._clock = metrics, clock
        self._observer = observer
        self._outputs = Outputs([lane.name for lane in lanes])
        self._active = 0

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        """Take ``payloads`` of one window to their lanes; see ``contracts.Admit``."""
        self._active += 1
        poison = self.processing.poison
        letters: list[DeadLetter] = []
        payloads, origin = taken_in(self.processing.pipeline, payloads, origin)
        try:
            for chunk in chunks(payloads, min(CHUNK_BYTES, self.processing.event_bytes)):
                if receipt.failed is not None:
                    break
                if len(chunk) > 1 and poison.is_suspect(chunk):
                    await self._admit_singly(chunk, receipt, origin, letters)
                else:
                    await self._admit_chunk(chunk, receipt, origin, letters)
            if letters:
                await self._keep_letters(letters, receipt)
                letters = []
        finally:
            self._lose(letters, receipt, CUT_SHORT)
            self._active -= 1
            if self._active == 0:
                # The next window of the same Beat may be there already: check again after it.
                asyncio.get_running_loop().call_soon(self._hint_idle)

    async def _admit_singly(
        self,
        chunk: Sequence[bytes],
        receipt: Receipt,
        origin: Origin,
        letters: list[DeadLetter],
    ) -> None:
        """Process a chunk event by event, to find the one that ends each process."""
        for payload in chunk:
            if receipt.failed is not None:
                return
            await self._admit_chunk([payload], receipt, origin, letters, is_split=True)
        self.processing.poison.forget(chunk)

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
        if self.processing.is_for_large(chunk, size):
            # Large ones wait for each other before they ask for the budget: the first in its
            # queue must not wait for anything but sinks.
            async with self.processing.large.exclusive(receipt, size) as is_granted:
                if not is_granted:
                    receipt.fail(TOO_MANY_LARGE)
                    return
                portions = await self._charged(chunk, size, receipt, origin, letters)
        else:
            portions = await self._charged(chunk, size, receipt, origin, letters, is_split=is_split)
        await self._put(portions, receipt)

    async def _charged(
        self,
        chunk: Sequence[bytes],
        size: int,
        receipt: Receipt,
        origin: Origin,
        letters: list[DeadLetter],
        *,
        is_split: bool = False,
    ) -> list[_Portion]:
        """Process a chunk of ``size`` bytes within the budget, which holds its documents
        afterwards; return what each lane gets."""
        event_bytes = self.processing.event_bytes
        share = 1.0 if size > event_bytes else 1 + BODY_SHARE
        estimate = int(size * share) + DOCUMENT_OVERHEAD_BYTES * len(chunk)
        estimate *= len(self._lanes)
        budget = self._budget if size > event_bytes else self._budget.budget_for(size)
        await budget.take(estimate)
        now_ns = self._clock.time_ns()
        try:
            processed = await self.processing.process(
                chunk, size, receipt, origin, now_ns=now_ns, is_split=is_split
            )
            portions = self._portions(processed)
            self._open_books(processed, portions, receipt)
            cost = cost_of(processed.documents)
            cost_of_all = cost * len(portions)
            if processed.is_spread:
                cost_of_all = sum(cost_of(one.documents) for one in portions)
            if self._observer is not None:
                self._observer.saw(chunk, processed, cost, receipt, origin, now_ns)
            letters += processed.dead_letters
            if sum(len(letter.payload) for letter in letters) > LARGE_BYTES:
                # The budget does not count letters, so they must not pile up.
                await self._keep_letters(letters, receipt)
                letters.clear()
        except BaseException:
            budget.release(estimate)
            raise
        budget.charge(cost_of_all)
        budget.release(estimate)
        return portions

    def _open_books(
        self, processed: Processed, portions: Sequence[_Portion], receipt: Receipt
    ) -> None:
        self.custody.open(processed)
        if processed.is_spread:
            self.custody.spread(processed, {one.lane.name: one.documents for one in portions})
        documents = sum(len(one.documents) for one in portions)
        receipt.expect(documents + len(processed.dead_letters))

    def _portions(self, processed: Processed) -> list[_Portion]:
        """Divide the documents of a chunk among the lanes; usually each lane gets all."""
        documents = processed.documents
        if processed.is_spread:
            outputs = {one.target.output for one in documents}
            if not all(map(self._outputs.sinks_of, outputs)):
                # Start and reload refuse such a config; nothing is acked that no sink takes.
                raise AssertionError(f"no sink takes the documents of some of {sorted(outputs)}")
            lists = [self._outputs.documents_for(lane.name, documents) for lane in self._lanes]
            return [
                _Portion(lane, part, by_service([part]))
                for lane, part in zip(self._lanes, lists, strict=True)
            ]
        # Usually each payload became a document: they were counted already.
        is_counted = not (processed.dropped or processed.dead_letters)
        counts = processed.received if is_counted else by_service([documents])
        return [_Portion(lane, documents, counts) for lane in self._lanes]

    async def _put(self, portions: list[_Portion], receipt: Receipt) -> None:
        waiting = [one for one in portions if one.documents]
        try:
            while waiting:
                lane, documents, counts = waiting[0]
                await lane.put(documents)
                waiting.pop(0)
                self.custody.hand_over(lane.name, counts)
        finally:
            for lane, documents, counts in waiting:  # only when put was cancelled
                receipt.fail(CUT_SHORT)
                self._budget.let_go(documents)
                self.custody.give_back(lane.name, counts)

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
            self.custody.close(letter.service, Fate.DEAD_LETTERED, 1)
        receipt.settle(len(letters), Fate.DEAD_LETTERED)

    def _lose(self, letters: list[DeadLetter], receipt: Receipt, reason: str) -> None:
        """Give back letters that were not kept: their window is not acked and will be resent."""
        if letters:
            receipt.fail(reason)
            for letter in letters:
                self.custody.close(letter.service, Fate.GIVEN_BACK, 1)

    @property
    def is_idle(self) -> bool:
        """Nothing is being admitted."""
        return self._active == 0

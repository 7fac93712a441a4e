"""New documents of a lane: backpressure, and when the open batch is closed.

    put --> [room?] --> open batch --take(now)--> Batch    full, old enough, or sent early

There is no room while as many batches as may be in flight are full and wait as well. A batch is
sent early when nothing more is being admitted; ``linger`` says how long it waits for others.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence

from ptingest.delivery.batch import Batch, Batcher
from ptingest.delivery.linger import Linger
from ptingest.model.document import Document
from ptingest.settings.sinks import LaneSettings


class Intake:
    """Holds documents that were never tried; ``in_flight`` are the batches being written."""

    def __init__(self, settings: LaneSettings, *, in_flight: Collection[Batch]) -> None:
        self.batcher = Batcher(**settings.batch.model_dump())
        self.is_closed = self.is_draining = False
        self._most_batches, self._in_flight = settings.concurrency, in_flight
        self._linger = Linger()
        self._is_idle = False
        self._room = asyncio.Event()

    @property
    def is_crowded(self) -> bool:
        """Whether more documents have to wait."""
        batcher, batches = self.batcher, self._most_batches
        most = batches * batcher.max_documents
        return batcher.documents > most or batcher.size > batches * batcher.max_bytes

    async def wait_for_room(self) -> None:
        """Return when documents may be added, or when the lane is closed."""
        while self.is_crowded and not self.is_closed:
            self._room.clear()
            await self._room.wait()

    def make_room(self) -> None:
        """Let ``wait_for_room`` return if there is room now."""
        if not self.is_crowded:
            self._room.set()

    def add(self, documents: Sequence[Document], now: float) -> bool:
        """Add documents; return whether a batch may be due sooner than it was."""
        was_empty = not self.batcher
        self._is_idle = self.is_draining
        self.batcher.add(documents, now)
        return was_empty or self.batcher.is_full

    def note_idle(self) -> bool:
        """Nothing more is being admitted; return whether a batch may be due sooner than it was."""
        was_idle, self._is_idle = self._is_idle, True
        return not was_idle and bool(self.batcher)

    def drain(self) -> None:
        """From now on every batch is closed at once."""
        self.is_draining = self._is_idle = True

    def close(self) -> None:
        """Take no more documents."""
        self.is_closed = True
        self._room.set()

    def take(self, now: float) -> Batch | None:
        """Close the open batch and return it if that is due."""
        batcher = self.batcher
        if not (batcher.is_due(now) or self.sent_early_at() <= now):
            return None
        if not batcher.is_full:
            self._linger.note_sent(batcher.senders, now)
        return batcher.take()

    def due_at(self) -> list[float]:
        """Return the times at which the open batch may be closed."""
        closes_at = self.batcher.closes_at
        return [self.sent_early_at(), *([] if closes_at is None else [closes_at])]

    def small_due_at(self, sender: str) -> float:
        """When a small window of this sender would be sent if it were the first of a batch."""
        return self._linger.sent_at([sender])

    def sent_early_at(self) -> float:
        """When the open batch, to which nothing is being added, need not wait any longer."""
        if not (self._is_idle and self.batcher):
            return math.inf
        if self.is_draining or self.batcher.is_large_enough:
            return -math.inf
        return math.inf if self._in_flight else self._linger.sent_at(self.batcher.senders)

"""Batches being written: one call of the sink for each, within a deadline.

    begin(batch) --> write(batch) --> Written: what the sink said, document by document
                                      no answer, or one that cannot be believed: all in doubt
                 --> end(batch)

A batch is in flight from ``begin`` to ``end``; a cancelled write leaves it there, so that
closing the lane finds its documents.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from ptingest.delivery.batch import Batch
from ptingest.delivery.deadlines import Deadlines
from ptingest.delivery.isolation import Isolation
from ptingest.delivery.outcomes import Outcomes, outcomes_of
from ptingest.model.contracts import Clock, Sink
from ptingest.model.document import Document
from ptingest.model.outcome import WriteResult
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Written(NamedTuple):
    """A write that ended."""

    result: WriteResult
    outcomes: Outcomes
    at: float
    """When it ended (monotonic seconds)."""


class Attempts:
    """All writes of one lane; lives on its loop."""

    def __init__(self, sink: Sink, *, isolation: Isolation, metrics: Metrics, clock: Clock) -> None:
        self._sink, self._isolation = sink, isolation
        self._metrics, self._clock = metrics, clock
        self._deadlines = Deadlines()
        self.in_flight: set[Batch] = set()

    @property
    def suspects(self) -> int:
        """Batches in flight that were sent alone, since they got no answer among others."""
        return sum(batch.is_suspect for batch in self.in_flight)

    @property
    def has_unanswered(self) -> bool:
        """Whether some batch in flight got no answer before, or is silent for too long now."""
        if any(batch.unanswered for batch in self.in_flight):
            return True
        return self.silent(self._clock.monotonic()) > 0

    def silent(self, now: float) -> int:
        """Return how many writes have had no answer for too long, suspects apart."""
        return self._deadlines.silent(now, self._isolation.limit_seconds)

    def next_silent(self, now: float) -> list[float]:
        """Return when each of the others will have had no answer for too long."""
        return self._deadlines.next_silent(now, self._isolation.limit_seconds)

    def begin(self, batch: Batch) -> None:
        """Put a batch in flight."""
        self.in_flight.add(batch)

    async def write(self, batch: Batch, began: float, doubtful: frozenset[Document]) -> Written:
        """Write one batch once; no error of the sink leaves this."""
        name, count = self._sink.name, len(batch.documents)
        self._metrics.add("ptingest_lane_batches_total", 1, name)
        self._metrics.observe("ptingest_lane_batch_documents", count, name)
        result, outcomes = await self._write(batch, began, doubtful)
        ended = self._clock.monotonic()
        self._metrics.observe("ptingest_lane_write_seconds", ended - began, name)
        return Written(result, outcomes, ended)

    def end(self, batch: Batch) -> None:
        """Its documents are about to be settled or to wait again."""
        self.in_flight.discard(batch)
        self._deadlines.over(batch)

    def note_answer(self, began: float, ended: float) -> None:
        """A write was answered: those sent before it have only so long to be answered, too."""
        self._deadlines.answered(began, ended, self._isolation.limit_seconds)

    def give_up_silent(self, now: float) -> None:
        """End every write that has had no answer for too long."""
        self._deadlines.give_up_silent(now, self._isolation.limit_seconds)

    async def _write(
        self, batch: Batch, began: float, doubtful: frozenset[Document]
    ) -> tuple[WriteResult, Outcomes]:
        documents, name = batch.documents, self._sink.name
        seconds = self._isolation.suspect_seconds(batch) if batch.is_suspect else None
        deadline = self._deadlines.begin(batch, began, seconds)
        trouble: str | None = None
        try:
            async with deadline:
                result = await self._sink.write(documents, doubtful)
                return result, outcomes_of(documents, result)
        except Exception:  # a bug of one sink must not end the lane
            if deadline.expired():
                waited = self._clock.monotonic() - began
                trouble = (
                    f"no answer from {name} within {waited:.0f} s "
                    "although other writes were answered"
                )
            else:
                log.exception(
                    "%s: a write raised an unexpected exception (a bug); %d documents are retried",
                    name,
                    len(documents),
                )
        result = WriteResult(doubtful=documents, trouble=trouble)
        return result, outcomes_of(documents, result)

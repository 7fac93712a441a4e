"""Which part of a batch is at fault when the sink answers others but not this one.

    no answer, others get one     cut into parts, each sent alone: good ones are settled at once,
                                  the bad one is cut again, until it is a single document
    no answer, and none does      a small part is sent first: its answer shows a working sink
    all parts are answered        the size was at fault: batches are smaller from now on; but a
                                  document that was there already tells of a sink that was slow

An outage is not mistaken for a bad batch: nothing is cut without an answer to something else
that was sent meanwhile, another write or a health check. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ptingest.delivery.batch import Batch, SplitBatch, cut

TRIES = 3
"""Attempts without an answer before a batch that fails at once is suspected."""
SLOW_SECONDS = 5.0
"""An attempt without an answer for so long, and several times as long as usual, is given up when
something that was sent after it is answered."""
USUALLY = 5
"""How many times the slowest recent answer an attempt may take."""
LAST_CHANCE = 4
"""How many times as long the last attempt of a single document may take."""
SMALLEST_LIMIT_BYTES = 16 << 10
"""No proxy is expected to limit bodies below this."""


class Unanswered(NamedTuple):
    """What to do with a batch that got no answer."""

    again: list[Batch]
    """As it was."""
    suspects: list[Batch]
    """To be sent alone."""
    is_its_own: bool
    """Others get answers: the batch or its connection is at fault, not the sink."""


class Isolation:
    """What one lane knows about answers that came and that did not."""

    def __init__(self) -> None:
        self._answered = -math.inf
        """When the latest answered write was sent."""
        self._slowest = 0.0
        self._healthy_at = -math.inf
        self._running = 0
        """Attempts in a row that got no answer."""
        self._trial: SplitBatch | None = None

    @property
    def limit_seconds(self) -> float:
        """How long an attempt may go without an answer while later ones are answered."""
        return max(SLOW_SECONDS, USUALLY * self._slowest)

    def suspect_seconds(self, batch: Batch) -> float:
        """Return the deadline of a batch that is sent alone."""
        return self.limit_seconds * (LAST_CHANCE if batch.unanswered >= TRIES - 1 else 1)

    def answered(
        self, batch: Batch, sent_at: float, ended: float, *, was_stored: bool = False
    ) -> int | None:
        """A batch was answered; return the size that was too large, if that is known now.

        ``was_stored``: some of its documents had been stored by an attempt before.
        """
        self._answered, self._running = max(self._answered, sent_at), 0
        self._slowest = max(ended - sent_at, 0.9 * self._slowest)
        parts, batch.split_from, batch.unanswered = batch.split_from, None, 0
        if parts is None:
            return None
        if parts is self._trial:
            self._trial = None
            return None
        parts.open -= 1
        parts.is_broken = parts.is_broken or was_stored
        is_size = parts.open == 0 and not parts.is_broken and parts.size >= SMALLEST_LIMIT_BYTES
        return parts.size if is_size else None

    def note_healthy(self, asked_at: float) -> None:
        """A health check begun then succeeded: enough to cut a batch without an answer."""
        self._healthy_at = max(self._healthy_at, asked_at)

    def unanswered(self, batch: Batch, sent_at: float, ended: float) -> Unanswered:
        """No answer came for a whole batch; its ``tried_at`` is of the attempt before."""
        others = self._answered >= min(batch.tried_at, sent_at)
        batch.tried_at = sent_at
        batch.unanswered += 1
        self._running += 1
        if batch.split_from is not None:
            batch.split_from.is_broken = True
            if batch.split_from is self._trial:
                self._trial = None
        is_at_fault = self._is_at_fault(batch, sent_at, ended, others=others)
        if len(batch.documents) == 1:
            batch.is_suspect = batch.is_suspect or is_at_fault
        elif is_at_fault:
            return Unanswered([], cut(batch, suspect=True), is_its_own=others)
        elif self._running >= TRIES and self._trial is None:
            first, *rest = cut(batch)
            self._trial = first.split_from
            first.is_suspect = True
            return Unanswered(_joined(rest, batch.unanswered), [first], is_its_own=False)
        where = ([], [batch]) if batch.is_suspect else ([batch], [])
        return Unanswered(*where, is_its_own=others)

    def _is_at_fault(self, batch: Batch, sent_at: float, ended: float, *, others: bool) -> bool:
        is_slow = ended - sent_at >= SLOW_SECONDS
        if is_slow and self._healthy_at >= sent_at:
            return True
        return others and (is_slow or batch.is_suspect or batch.unanswered >= TRIES)


def _joined(parts: list[Batch], unanswered: int) -> list[Batch]:
    """Return all but the first part as one batch again, with what is known of the whole."""
    whole, *others = parts
    for part in others:
        whole.documents = whole.documents + part.documents
        whole.size += part.size
    whole.split_from, whole.is_suspect, whole.unanswered = None, False, max(unanswered, TRIES)
    return [whole]

"""Which part of a batch is at fault when the sink answers all others but this one.

    no answer, others get one     cut into parts, each alone: the good ones are settled at once,
                                  the bad one is cut again, until one document stands alone
    no answer, and none does      a small part goes ahead: if it is answered, so much is known
    all parts are answered        it was the size: batches are smaller from now on

An outage is not mistaken for a bad batch: nothing is cut without an answer to something else
that was sent meanwhile, another write or the question how the sink is. Pure: time is an
argument.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ptingest.delivery.batch import Batch, SplitBatch, cut

TRIES = 3
"""Attempts without an answer before a batch that fails at once is suspected."""
SLOW_SECONDS = 5.0
"""An attempt that is silent for so long, and several times as long as usual, while what was
sent after it is answered, is given up."""
USUALLY = 5
"""So many times the slowest answer of late is not usual any more."""
LAST_CHANCE = 4
"""A document that stands alone is waited for so many times as long before it is refused."""
SMALLEST_LIMIT_BYTES = 16 << 10
"""Nothing between here and a sink has a limit for bodies below this."""


class Unanswered(NamedTuple):
    """What to do with a batch that got no answer."""

    again: list[Batch]
    """As it was."""
    suspects: list[Batch]
    """To be sent alone."""
    is_its_own: bool
    """Others get answers: the batch is at fault, or its way, and not the sink."""


class Isolation:
    """What one lane knows of answers that came and that did not."""

    def __init__(self) -> None:
        self._answered = -math.inf
        """When that write was sent which was answered, the latest of them."""
        self._slowest = 0.0
        self._healthy_at = -math.inf
        self._running = 0
        """Attempts running that got no answer, whichever."""
        self._trial: SplitBatch | None = None

    @property
    def limit_seconds(self) -> float:
        """How long an attempt may be silent while later ones are answered."""
        return max(SLOW_SECONDS, USUALLY * self._slowest)

    def suspect_seconds(self, batch: Batch) -> float:
        """How long to wait for a batch that stands alone."""
        return self.limit_seconds * (LAST_CHANCE if batch.unanswered >= TRIES - 1 else 1)

    def answered(self, batch: Batch, sent_at: float, ended: float) -> int | None:
        """A batch was answered; return the size that was too large, if that is known now."""
        self._answered, self._running = max(self._answered, sent_at), 0
        self._slowest = max(ended - sent_at, 0.9 * self._slowest)
        parts, batch.split_from, batch.unanswered = batch.split_from, None, 0
        if parts is None:
            return None
        if parts is self._trial:
            self._trial = None
            return None
        parts.open -= 1
        is_size = parts.open == 0 and not parts.is_broken and parts.size >= SMALLEST_LIMIT_BYTES
        return parts.size if is_size else None

    def note_healthy(self, asked_at: float) -> None:
        """The sink was asked, and would take documents: enough to cut a batch that is silent."""
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

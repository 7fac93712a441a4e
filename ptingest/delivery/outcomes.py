"""What one answer of a sink means for each document of its batch.

Whatever the sink does not list was stored. A list that names a document twice, or one that was
not in the batch, is a bug of the sink: a receipt could be settled too early by it, so nothing
in such an answer is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from ptingest.delivery.batch import is_given_up
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, Refusal, WriteResult

STREAM_FAILS_FROM = 16
"""When so many documents of a data stream fail in one answer and none passes, the stream is at
fault."""


@dataclass(slots=True)
class Outcomes:
    """Every document of a batch exactly once, by what happens to it next."""

    stored: Sequence[Document] = ()
    already_stored: Sequence[Document] = ()
    failure_stored: Sequence[Document] = ()
    dropped: Sequence[Document] = ()
    refused: list[Refusal] = field(default_factory=list)
    stream_busy: Sequence[Refusal] = ()
    failing: Sequence[Refusal] = ()
    """Each to be tried again for a limited time."""
    unsynced: Sequence[Document] = ()
    """Written, and to be asked about again before they are safe."""
    again: list[Document] = field(default_factory=list)
    """Busy and doubtful: to be tried again."""
    doubtful: Sequence[Document] = ()
    """Those of ``again`` that may be stored."""
    has_answers: bool = True
    """Whether the sink decided about any document at all."""
    has_stream_trouble: bool = False
    taken: int = 0
    """Documents that are settled: stored, refused, dropped."""

    @property
    def safe(self) -> tuple[tuple[Sequence[Document], Fate], ...]:
        """What is settled, by its fate."""
        return (
            (self.stored, Fate.STORED),
            (self.already_stored, Fate.ALREADY_STORED),
            (self.failure_stored, Fate.FAILURE_STORED),
            (self.dropped, Fate.DROPPED),
        )

    def take_given_up(self) -> list[Document]:
        """Remove and return documents that would wait although their window is given up."""
        lost = [document for document in (*self.again, *self.unsynced) if is_given_up(document)]
        lost += [r.document for r in (*self.stream_busy, *self.failing) if is_given_up(r.document)]
        if lost:
            self.again = [document for document in self.again if not is_given_up(document)]
            self.unsynced = [document for document in self.unsynced if not is_given_up(document)]
            self.stream_busy = [r for r in self.stream_busy if not is_given_up(r.document)]
            self.failing = [r for r in self.failing if not is_given_up(r.document)]
        return lost

    def blame_streams(self, *, is_probe: bool, known: Container[Document] = ()) -> None:
        """Decide whether a data stream is at fault or single documents of it.

        Where many of them fail and none passes, the stream is. Where some pass, the others are
        themselves, whatever the answer: a 403 for a document whose new field the writer may not
        map must not hold the whole stream. ``known``: documents that failed
        before while others passed.
        """
        if not (self.failing or self.stream_busy):
            return
        counts = Counter(refusal.document.target for refusal in self.failing)
        passing = {document.target for documents, _ in self.safe for document in documents}
        passing.update(document.target for document in self.unsynced)
        passing.update(refusal.document.target for refusal in self.refused)
        at_fault = {
            target for target, count in counts.items() if is_probe or count >= STREAM_FAILS_FROM
        }
        at_fault.update(r.document.target for r in self.stream_busy if r.document not in known)
        at_fault -= passing
        both = [*self.stream_busy, *self.failing]
        self.stream_busy = [r for r in both if r.document.target in at_fault]
        self.failing = [r for r in both if r.document.target not in at_fault]
        self.has_stream_trouble = bool(self.stream_busy)


def outcomes_of(documents: Sequence[Document], result: WriteResult) -> Outcomes:
    """Return what the answer means for each document of a batch.

    Raises:
        AssertionError: the answer does not fit the batch; count all of it doubtful.
    """
    if result.too_large or result.unreadable:
        return Outcomes(again=list(documents), has_answers=False)
    outcomes = Outcomes(
        already_stored=result.already_stored,
        failure_stored=result.failure_stored,
        dropped=result.dropped,
        refused=list(result.refused),
        stream_busy=result.stream_busy,
        failing=result.failing,
        unsynced=result.unsynced,
        again=[*result.busy, *result.doubtful],
        doubtful=result.doubtful,
        has_stream_trouble=bool(result.stream_busy),
    )
    outcomes.has_answers = len(outcomes.again) < len(documents)
    waiting = len(outcomes.again) + len(outcomes.failing) + len(outcomes.stream_busy)
    outcomes.taken = len(documents) - waiting - len(outcomes.unsynced)
    listed = _listed(outcomes)
    if not listed:
        outcomes.stored = documents
        return outcomes
    distinct = set(listed)
    if len(distinct) != len(listed) or not distinct.issubset(documents):
        raise AssertionError(
            f"the sink lists {len(listed)} outcomes for {len(documents)} documents, "
            "some twice or for documents that were not in the batch"
        )
    if len(distinct) < len(documents):
        outcomes.stored = [document for document in documents if document not in distinct]
    return outcomes


def _listed(outcomes: Outcomes) -> list[Document]:
    listed = [
        *outcomes.already_stored,
        *outcomes.failure_stored,
        *outcomes.dropped,
        *outcomes.unsynced,
        *outcomes.again,
    ]
    for refusals in (outcomes.refused, outcomes.stream_busy, outcomes.failing):
        listed += [refusal.document for refusal in refusals]
    return listed

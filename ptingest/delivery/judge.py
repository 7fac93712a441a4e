"""What one answer of a sink means for each document of the batch it answers.

Whatever the sink does not list was stored. A list that names a document twice, or one
that was not in the batch, is a bug of the sink: believing it would count a receipt home
too early, so nothing of such an answer is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ptingest.delivery.batch import is_lost
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal, WriteResult


@dataclass(slots=True)
class Verdict:
    """Every document of a batch exactly once, by what happens to it next."""

    stored: Sequence[Document] = ()
    already_stored: Sequence[Document] = ()
    failure_stored: Sequence[Document] = ()
    refused: list[Refusal] = field(default_factory=list)
    stream_busy: Sequence[Refusal] = ()
    again: list[Document] = field(default_factory=list)
    """Busy and doubtful: to be tried again."""
    doubtful: Sequence[Document] = ()
    """Those of ``again`` that may be stored."""
    has_answers: bool = True
    """Whether the sink decided about any document at all."""
    has_stream_trouble: bool = False

    def take_lost(self) -> list[Document]:
        """Take out what would wait although its window is given up, and return it."""
        lost = [document for document in self.again if is_lost(document)]
        lost += [r.document for r in self.stream_busy if is_lost(r.document)]
        if lost:
            self.again = [document for document in self.again if not is_lost(document)]
            self.stream_busy = [r for r in self.stream_busy if not is_lost(r.document)]
        return lost


def judge(documents: Sequence[Document], result: WriteResult) -> Verdict:
    """Return the verdict on a batch.

    Raises:
        AssertionError: the answer does not fit the batch; count all of it doubtful.
    """
    if result.too_large:
        return Verdict(again=list(documents), has_answers=False)
    verdict = Verdict(
        already_stored=result.already_stored,
        failure_stored=result.failure_stored,
        refused=list(result.refused),
        stream_busy=result.stream_busy,
        again=[*result.busy, *result.doubtful],
        doubtful=result.doubtful,
        has_stream_trouble=bool(result.stream_busy),
    )
    verdict.has_answers = len(verdict.again) < len(documents)
    listed = _listed(verdict)
    if not listed:
        verdict.stored = documents
        return verdict
    distinct = set(listed)
    if len(distinct) != len(listed) or not distinct.issubset(documents):
        raise AssertionError(
            f"the sink lists {len(listed)} outcomes for {len(documents)} documents, "
            "some twice or for documents that were not in the batch"
        )
    if len(distinct) < len(documents):
        verdict.stored = [document for document in documents if document not in distinct]
    return verdict


def _listed(verdict: Verdict) -> list[Document]:
    listed = [*verdict.already_stored, *verdict.failure_stored, *verdict.again]
    listed += [refusal.document for refusal in verdict.refused]
    listed += [refusal.document for refusal in verdict.stream_busy]
    return listed

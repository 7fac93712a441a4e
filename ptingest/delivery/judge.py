"""What one answer of a sink means for each document of the batch it answers.

Whatever the sink does not list was stored. A list that names a document twice, or one
that was not in the batch, is a bug of the sink: believing it would count a receipt home
too early, so nothing of such an answer is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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

    @property
    def settled(self) -> int:
        """Documents that the sink now has."""
        return len(self.stored) + len(self.already_stored) + len(self.failure_stored)


def judge(documents: Sequence[Document], result: WriteResult) -> Verdict:
    """Return the verdict on a batch.

    Raises:
        AssertionError: the answer does not fit the batch; count all of it doubtful.
    """
    if result.too_large:
        return Verdict(again=list(documents))
    verdict = Verdict(
        already_stored=result.already_stored,
        failure_stored=result.failure_stored,
        refused=list(result.refused),
        stream_busy=result.stream_busy,
        again=[*result.busy, *result.doubtful],
        doubtful=result.doubtful,
    )
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

"""Closes the books on documents: counts them, releases their budget, settles their receipts.

Everything here is done once a batch, and the loops over documents run in C: a batch has few
services and few receipts, since neighbours mostly come from the same window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from ptingest.delivery.document_budget import DocumentBudget
from ptingest.model.document import Document
from ptingest.model.outcome import DropReason, Fate
from ptingest.telemetry.metrics import Metrics

_RECEIPT = attrgetter("receipt")
_SERVICE = attrgetter("service")


def by_service(lists: Iterable[Sequence[Document]]) -> Counter[str]:
    """Count documents by service."""
    counts: Counter[str] = Counter()
    for documents in lists:
        counts.update(map(_SERVICE, documents))
    return counts


class Books:
    """One sink's books; documents leave a lane here and nowhere else."""

    def __init__(self, sink: str, *, budget: DocumentBudget, metrics: Metrics) -> None:
        self._sink, self._budget, self._metrics = sink, budget, metrics

    def settle(self, documents: Sequence[Document], fate: Fate) -> None:
        """Close these as safe; receipts are last, so the books balance when an ack is sent."""
        if documents:
            self._close(documents, fate)
            for receipt, count in Counter(map(_RECEIPT, documents)).items():
                receipt.settle(count, fate)

    def give_back(self, documents: Sequence[Document], reason: str) -> None:
        """Close these unacked and fail their receipts; the Beat sends them again."""
        if documents:
            self._close(documents, Fate.GIVEN_BACK)
            for receipt in dict.fromkeys(map(_RECEIPT, documents)):
                receipt.fail(reason)

    def _close(self, documents: Sequence[Document], fate: Fate) -> None:
        for service, count in by_service([documents]).items():
            self._metrics.add(
                "ptingest_lane_settled_events_total", count, self._sink, service, fate
            )
            if fate is Fate.DROPPED:  # by the sink; the flow counts what its own rules drop
                reason = DropReason.INGEST_PIPELINE
                self._metrics.add("ptingest_flow_dropped_events_total", count, service, reason)
        self._budget.let_go(documents)

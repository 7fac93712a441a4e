"""Where a lane closes the books on documents: counted, budget released, receipts settled.

Everything here is done once a batch, with the loops over documents running in C: a batch
holds few services and few receipts, since neighbours mostly come from the same window.
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
    """One sink's books; the only place where a lane's documents end."""

    def __init__(self, sink: str, *, budget: DocumentBudget, metrics: Metrics) -> None:
        self._sink, self._budget, self._metrics = sink, budget, metrics

    def settle(self, documents: Sequence[Document], fate: Fate) -> None:
        """These are safe. The receipts come last: when an ack leaves, the books balance."""
        if documents:
            self._close(documents, fate)
            for receipt, count in Counter(map(_RECEIPT, documents)).items():
                receipt.settle(count, fate)

    def give_back(self, documents: Sequence[Document], reason: str) -> None:
        """These go unacked, the Beat sends them again; fails receipts that did not fail yet."""
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

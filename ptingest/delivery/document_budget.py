"""The budget for documents outstanding, with a separate one for large documents.

A large document and its payload can use most of the budget. In one queue with the others it
would block them while it waits for room, and leave no room until it is stored; so large ones
wait for each other only.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.delivery.batch import cost_of
from ptingest.delivery.budget import Budget
from ptingest.model.document import LARGE_BYTES, Document

LARGE_SHARE = 2
"""The limit divided by this is the limit for large documents; one alone may exceed it."""


class DocumentBudget(Budget):
    """Counts the small documents; ``large`` counts the others."""

    __slots__ = ("large",)

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.large = Budget(limit_bytes // LARGE_SHARE)

    @property
    def total(self) -> int:
        """Bytes outstanding, small and large."""
        return self.outstanding + self.large.outstanding

    def budget_for(self, payload_bytes: int) -> Budget:
        """Return the budget that is charged for a payload of this size."""
        return self.large if payload_bytes > LARGE_BYTES else self

    def let_go(self, documents: Sequence[Document]) -> None:
        """Give back the cost of documents that are not outstanding any more."""
        large = 0
        if self.large.outstanding:  # else there are no large ones
            large = cost_of([one for one in documents if len(one.payload) > LARGE_BYTES])
            self.large.release(large)
        self.release(cost_of(documents) - large)

    def resize(self, limit_bytes: int) -> None:
        """Change the limits; see ``Budget``."""
        super().resize(limit_bytes)
        self.large.resize(limit_bytes // LARGE_SHARE)

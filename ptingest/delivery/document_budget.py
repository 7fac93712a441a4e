"""The budget for documents outstanding, with a pot of their own for large ones.

A large document and its payload are as much as most of the budget. In one queue with the
others it would let nobody pass while it waits for room, and leave no room until it is
stored; so large ones wait for each other alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.delivery.batch import cost_of
from ptingest.delivery.budget import Budget
from ptingest.model.document import LARGE_BYTES, Document

LARGE_SHARE = 2
"""Of the limit, its half is the one for large documents; one alone may be beyond it."""


class DocumentBudget(Budget):
    """Counts the small documents; ``large`` counts the others."""

    __slots__ = ("large",)

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.large = Budget(limit_bytes // LARGE_SHARE)

    @property
    def total(self) -> int:
        """Bytes outstanding, in both pots."""
        return self.outstanding + self.large.outstanding

    def budget_for(self, payload_bytes: int) -> Budget:
        """Return what is charged for a document whose payload is so large."""
        return self.large if payload_bytes > LARGE_BYTES else self

    def let_go(self, documents: Sequence[Document]) -> None:
        """Give back the cost of documents that are not outstanding any more."""
        large = 0
        if self.large.outstanding:  # else nobody looks for large ones
            large = cost_of([one for one in documents if len(one.payload) > LARGE_BYTES])
            self.large.release(large)
        self.release(cost_of(documents) - large)

    def resize(self, limit_bytes: int) -> None:
        """Change the limits; see ``Budget``."""
        super().resize(limit_bytes)
        self.large.resize(limit_bytes // LARGE_SHARE)

"""What a sink remembers of documents that its lane holds.

Nobody tells a sink of a window that was given back, so that its documents are looked for and
forgotten now and then: when so many bytes were added that they would count.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from ptingest.model.document import Document

V = TypeVar("V")

SWEEP_BYTES = 16 << 20
"""Of documents that may be kept beside what is outstanding."""


class Remembered(dict[Document, V], Generic[V]):
    """Documents, each with what is known of it; a document of a closed window may be gone."""

    def __init__(self) -> None:
        self._bytes = self._kept = 0

    def __setitem__(self, document: Document, known: V) -> None:
        if document not in self:
            self._bytes += document.cost
        super().__setitem__(document, known)

    def sweep(self) -> None:
        """Forget documents of closed windows, where that is worth it."""
        if self._bytes > max(SWEEP_BYTES, 2 * self._kept):
            for document in [one for one in self if one.receipt.closed]:
                del self[document]
            self._bytes = self._kept = sum(document.cost for document in self)

"""Moves documents from a lane into the dead letters: written and fsynced first, then settled.

Uses no write slot. Where the dead letters cannot be kept, the documents are given back and
their windows are not acked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ptingest.dead_letters.occupancy import host_of
from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.books import Books
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, Refusal
from ptingest.telemetry.metrics import Metrics

LETTERS_AT_ONCE = 1000
"""Documents of one put into the dead letters."""


class DeadLettering:
    """Documents being written to the dead letters; ``on_failed`` is called when that fails."""

    def __init__(
        self,
        dead_letters: DeadLetters,
        *,
        books: Books,
        metrics: Metrics,
        on_failed: Callable[[], None],
    ) -> None:
        self._dead_letters, self._books, self._metrics = dead_letters, books, metrics
        self._on_failed = on_failed
        self._documents: dict[int, list[Document]] = {}

    def accept(self, refusals: Sequence[Refusal]) -> list[Sequence[Refusal]]:
        """Hold documents, and return them in parts, each for one call of ``write``.

        A part is of one peer, since it is kept or given back whole: a peer whose share is full
        does not cause documents of others to be given back.
        """
        by_peer: dict[str, list[Refusal]] = {}
        for refusal in refusals:
            by_peer.setdefault(host_of(refusal.document.peer), []).append(refusal)
        parts: list[Sequence[Refusal]] = [
            some[start : start + LETTERS_AT_ONCE]
            for some in by_peer.values()
            for start in range(0, len(some), LETTERS_AT_ONCE)
        ]
        for part in parts:
            self._documents[id(part)] = [refusal.document for refusal in part]
        return parts

    async def write(self, part: Sequence[Refusal]) -> None:
        """Write one part and close its books; cancelled, it leaves the documents in ``lists``."""
        try:
            await self._dead_letters.put([refusal.letter() for refusal in part])
        except (DeadLettersFull, DeadLettersUnwritable) as error:
            self._books.give_back(self._documents.pop(id(part)), str(error))
            self._on_failed()
            return
        documents = self._documents.pop(id(part))
        counts = Counter((refusal.document.service, refusal.reason) for refusal in part)
        for (service, reason), count in counts.items():
            self._metrics.add("ptingest_flow_dead_lettered_events_total", count, service, reason)
        self._books.settle(documents, Fate.DEAD_LETTERED)

    def lists(self) -> list[list[Document]]:
        """Return what is being written, for counting."""
        return list(self._documents.values())

    def clear(self) -> None:
        """Forget everything; the caller closes the books."""
        self._documents.clear()

"""How documents leave a lane, and what is remembered of each until then.

    safe       counted, its budget released, its receipt told       ``settle``
    given up   the same, but its window is not acked                ``give_back``
    refused    into the dead letters first, then safe               ``refuse``, ``write_letters``

Remembered are the documents in doubt (an attempt may have stored them) and those that failed
while others passed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.delivery.batch import is_given_up
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.failing_documents import FailingDocuments
from ptingest.delivery.outcomes import Outcomes
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal


class Settlement:
    """All ways out of one lane."""

    def __init__(
        self, books: Books, dead_lettering: DeadLettering, *, failing: FailingDocuments
    ) -> None:
        self._books, self._dead_lettering, self._failing = books, dead_lettering, failing
        self._doubtful: set[Document] = set()

    @property
    def doubtful(self) -> int:
        """Documents here that an earlier attempt may have stored."""
        return len(self._doubtful)

    def doubtful_among(self, documents: Sequence[Document]) -> frozenset[Document]:
        """Return those of these documents that an earlier attempt may have stored."""
        return frozenset(self._doubtful.intersection(documents) if self._doubtful else ())

    def note_doubt(self, outcomes: Outcomes) -> None:
        """Remember what is in doubt after an attempt, and forget what is certain."""
        if self._doubtful:
            for settled, _ in outcomes.safe:
                self._doubtful.difference_update(settled)
        self._doubtful.update(outcomes.doubtful)

    def settle(self, outcomes: Outcomes) -> None:
        """Close the books on what an attempt made safe."""
        for settled, fate in outcomes.safe:
            self._books.settle(settled, fate)

    def give_back(self, documents: Sequence[Document], reason: str) -> None:
        """Close the books on documents that go unacked: their Beat sends them again."""
        self._forget(documents)
        self._books.give_back(documents, reason)

    def refuse(self, refusals: Sequence[Refusal]) -> list[Sequence[Refusal]]:
        """Return refused documents in parts, each for one call of ``write_letters``."""
        if given_up := [one.document for one in refusals if is_given_up(one.document)]:
            # Their Beat sends them again; a dead letter now would be a duplicate.
            self.give_back(given_up, "given back")
            refusals = [one for one in refusals if not is_given_up(one.document)]
        self._forget([refusal.document for refusal in refusals])
        return self._dead_lettering.accept(refusals)

    async def write_letters(self, part: Sequence[Refusal]) -> None:
        """Return when one part is in the dead letters and settled, or given back."""
        await self._dead_lettering.write(part)

    def _forget(self, documents: Sequence[Document]) -> None:
        self._doubtful.difference_update(documents)
        self._failing.forget(documents)

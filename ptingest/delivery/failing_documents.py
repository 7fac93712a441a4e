"""How long one document is tried while others are taken.

    it fails, others pass   after ``seconds`` it goes to the dead letters
    it fails, none passes   the time starts again: the sink is at fault, not the document

This bounds the attempts of every document, whatever the sink answers for it, now or in a later
version. Pure: time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ptingest.model.document import Document

FAILURES = 3
"""The fewest failures of a document, with others taken in between each time."""
BUSY_FAILURES = 8
"""The same for "busy", which an overloaded sink may answer for any document."""
QUIET_SECONDS = 60.0
"""When nothing passes for so long, the sink is at fault, and earlier failures do not count."""


@dataclass(slots=True)
class _Failing:
    since: float
    failures: int
    taken: int
    returned: int
    passed_at: float
    """When others last passed."""


class FailingDocuments:
    """The documents that failed while others passed; usually none."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """How long a document is tried while others pass."""
        self._failing: dict[Document, _Failing] = {}
        self._taken = self._returned = 0

    def __contains__(self, document: object) -> bool:
        return document in self._failing

    def __len__(self) -> int:
        return len(self._failing)

    def note_answer(self, *, taken: int, returned: int) -> None:
        """Record how many documents an answer settled and how many it returned as busy."""
        self._taken += taken
        self._returned += returned

    def is_over(self, document: Document, now: float, *, is_busy: bool = False) -> bool:
        """Note that it failed again; return whether it was tried for long enough.

        ``is_busy``: the sink asked to try again. That counts only while it takes at least as many
        documents as it returns, so that overload alone never ends one.
        """
        known = self._failing.get(document)
        if known is None:
            self._failing[document] = _Failing(now, 1, self._taken, self._returned, now)
            return False
        taken, returned = self._taken - known.taken, self._returned - known.returned
        known.taken, known.returned = self._taken, self._returned
        # Its own return is among those.
        if taken > 0 and (not is_busy or taken >= returned):
            known.failures += 1
            known.passed_at = now
            needed = BUSY_FAILURES if is_busy else FAILURES
            return known.failures >= needed and now - known.since >= self.seconds
        if now - known.passed_at >= QUIET_SECONDS:
            known.since, known.failures, known.passed_at = now, 1, now
        return False

    def failures(self, document: Document) -> int:
        """Return how many times in a row it failed while others passed."""
        known = self._failing.get(document)
        return 0 if known is None else known.failures

    def seconds_left(self, document: Document, now: float) -> float:
        """Return how much longer it will be tried, if others pass."""
        known = self._failing.get(document)
        return self.seconds if known is None else self.seconds - (now - known.since)

    def forget(self, documents: Iterable[Document]) -> None:
        """Forget documents that are settled or given back."""
        if self._failing:
            for document in documents:
                self._failing.pop(document, None)

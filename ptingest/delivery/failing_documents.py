"""How long one document is tried while others are taken.

    it fails, others pass   its time runs; after ``seconds`` it is for the dead letters
    it fails, none passes   its time begins anew: that is the sink's trouble, not its own

A document that fails is tried again and again, which costs nothing while it is only waited
for; what must not be is a document that is tried without end. Whatever the sink says of it,
now or in a later version, this is what ends it. Pure: time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ptingest.model.document import Document

FAILURES = 3
"""A document failed at least so often, with others taken in between each time."""
BUSY_FAILURES = 8
"""The same for "come back later", which an overloaded sink says of whomever it likes."""
QUIET_SECONDS = 60.0
"""Nobody passes for so long: now it is the sink, and what was counted before does not count."""


@dataclass(slots=True)
class _Failing:
    since: float
    failures: int
    taken: int
    returned: int
    passed_at: float
    """When others were last seen to pass."""


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
        """An answer settled so many documents, and sent so many back as busy."""
        self._taken += taken
        self._returned += returned

    def is_over(self, document: Document, now: float, *, is_busy: bool = False) -> bool:
        """Note that it failed again; return whether it was tried for long enough.

        ``is_busy``: the sink asked to come back. That counts only while it takes at least as many
        others as it sends back, so that overload alone never ends one.
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
        """How often it failed running while others passed."""
        known = self._failing.get(document)
        return 0 if known is None else known.failures

    def seconds_left(self, document: Document, now: float) -> float:
        """How long it will be tried yet, if others pass."""
        known = self._failing.get(document)
        return self.seconds if known is None else self.seconds - (now - known.since)

    def forget(self, documents: Iterable[Document]) -> None:
        """These are settled, or no longer here."""
        if self._failing:
            for document in documents:
                self._failing.pop(document, None)

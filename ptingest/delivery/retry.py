"""When busy documents are sent again. Pure: time and chance are arguments.

Backoff      the sink as a whole: doubles with each failure, reset by the first success
RetryQueue   batches that wait for another attempt, each with the time it is due
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ptingest.delivery.batch import Batch, body_bytes
from ptingest.model.document import Document


def backoff_seconds(tries: int, *, initial: float, maximum: float, chance: float) -> float:
    """Return how long to wait after ``tries`` failures: half to all of the doubled time.

    ``chance`` is in [0, 1). The exponent is bounded, so that a sink down for days does not
    overflow a float.
    """
    whole = min(maximum, initial * 2.0 ** min(max(tries, 1) - 1, 60))
    return whole * (0.5 + chance / 2)


class Backoff:
    """The time a whole lane waits after failures."""

    def __init__(self, *, initial_seconds: float, max_seconds: float) -> None:
        self._initial, self._max = initial_seconds, max_seconds
        self.failures = 0
        self.until = 0.0
        """No attempt before this (monotonic seconds)."""

    def failed(self, now: float, chance: float, retry_after: float | None) -> None:
        """Wait longer; never less than the sink asked for."""
        self.failures += 1
        self.until = max(self.until, now + self.seconds(self.failures, chance, retry_after))

    def seconds(self, tries: int, chance: float, retry_after: float | None = None) -> float:
        """Return the backoff after ``tries`` failures under these settings."""
        own = backoff_seconds(tries, initial=self._initial, maximum=self._max, chance=chance)
        return max(own, retry_after or 0.0)

    def succeeded(self) -> bool:
        """Reset; return whether there was a failure before."""
        had_failed, self.failures, self.until = self.failures > 0, 0, 0.0
        return had_failed


class RetryQueue:
    """Batches that wait for their next attempt; few and large, so a list is enough."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []

    def __bool__(self) -> bool:
        return bool(self._batches)

    def __len__(self) -> int:
        """Documents waiting."""
        return sum(len(batch.documents) for batch in self._batches)

    @property
    def unanswered(self) -> int:
        """Documents waiting whose last attempt got no answer."""
        return sum(len(batch.documents) for batch in self._batches if batch.unanswered)

    @property
    def next_due(self) -> float | None:
        """When the first is due; None when nothing waits."""
        return min((batch.due for batch in self._batches), default=None)

    @property
    def oldest(self) -> float | None:
        """When the oldest waiting document came to the lane."""
        return min((batch.since for batch in self._batches), default=None)

    def add(self, batch: Batch) -> None:
        """Let a batch wait until it is due."""
        self._batches.append(batch)

    def add_all(self, batches: Iterable[Batch]) -> None:
        """Let several batches wait, each until it is due."""
        self._batches.extend(batches)

    def take(self, now: float, *, max_documents: int, max_bytes: int) -> Batch | None:
        """Return the batch due first, joined with others that are due and fit; or None.

        Batches without an answer come after those not tried yet; of two, the smaller comes first,
        since it is more likely to be answered.
        """
        due = [batch for batch in self._batches if batch.due <= now]
        due.sort(key=lambda batch: (batch.unanswered, batch.due, batch.size))
        if not due:
            return None
        first, others = due[0], due[1:]
        self._batches.remove(first)
        if first.is_alone:
            return first
        for other in others:
            if other.is_alone:
                continue
            if len(first.documents) + len(other.documents) > max_documents:
                continue
            if first.size + other.size > max_bytes:
                continue
            self._batches.remove(other)
            first = _joined(first, other)
        return first

    def hasten(self, *, everything: bool = False) -> None:
        """Make due at once what waited because of the sink, or everything."""
        for batch in self._batches:
            if everything or batch.waits_for_sink:
                batch.due = 0.0

    def remove(self, unwanted: Callable[[Document], bool]) -> list[Document]:
        """Take out every document of which ``unwanted`` is true."""
        removed: list[Document] = []
        before, self._batches = self._batches, []
        for batch in before:
            gone = [document for document in batch.documents if unwanted(document)]
            if gone:
                removed += gone
                batch.documents = [d for d in batch.documents if not unwanted(d)]
                batch.size = body_bytes(batch.documents)
            if batch.documents:
                self._batches.append(batch)
        return removed

    def lists(self) -> list[list[Document]]:
        """Return what is waiting, for counting."""
        return [batch.documents for batch in self._batches]


def _joined(first: Batch, other: Batch) -> Batch:
    return Batch(
        first.documents + other.documents,
        first.size + other.size,
        min(first.since, other.since),
        max(first.tries, other.tries),
        waits_for_sink=first.waits_for_sink and other.waits_for_sink,
        unanswered=min(first.unanswered, other.unanswered),
        tried_at=max(first.tried_at, other.tried_at),
        unsynced=min(first.unsynced, other.unsynced),
    )

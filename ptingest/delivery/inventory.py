"""Where the documents of a lane are; each is in exactly one place.

fresh      the open batch
again      batches that wait for their next attempt
suspects   batches that are sent alone, since they get no answer
streams    held, since their data stream is in trouble
in flight  being written
dead_lettering   being written to the dead letters
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ptingest.delivery.batch import Batch, Batcher
from ptingest.delivery.books import by_service
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.retry import RetryQueue
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.document import Document


class Inventory:
    """Counts and clears; the lane moves documents from one place to the next."""

    def __init__(
        self,
        *,
        fresh: Batcher,
        again: RetryQueue,
        suspects: RetryQueue,
        streams: StreamBreakers,
        in_flight: set[Batch],
        dead_lettering: DeadLettering,
    ) -> None:
        self.fresh, self.again, self.suspects = fresh, again, suspects
        self.streams, self.in_flight = streams, in_flight
        self.dead_lettering = dead_lettering

    def __iter__(self) -> Iterator[Sequence[Document]]:
        yield from self.fresh.lists()
        yield from self.again.lists()
        yield from self.suspects.lists()
        yield from self.streams.lists()
        for batch in self.in_flight:
            yield batch.documents
        yield from self.dead_lettering.lists()

    @property
    def documents(self) -> int:
        """All documents, wherever they are."""
        return sum(map(len, self))

    @property
    def waiting(self) -> int:
        """Documents that wait for a batch, an attempt or their data stream."""
        back = len(self.again) + len(self.suspects)
        return self.fresh.documents + back + sum(map(len, self.streams.lists()))

    def by_service(self) -> dict[str, int]:
        """Count all documents by service."""
        return dict(by_service(self))

    def oldest(self, now: float) -> float:
        """Return when the oldest document came, ``now`` where there is none."""
        times = [self.fresh.oldest, self.again.oldest, self.suspects.oldest, self.streams.oldest]
        times += [batch.since for batch in self.in_flight]
        return min((time for time in times if time is not None), default=now)

    def remove_waiting(self, unwanted: Callable[[Document], bool]) -> list[Document]:
        """Take out what waits and of which ``unwanted`` is true; nothing in flight."""
        removed = self.fresh.remove(unwanted) + self.again.remove(unwanted)
        return removed + self.suspects.remove(unwanted) + self.streams.remove(unwanted)

    def clear(self) -> list[Document]:
        """Empty every place; return what was there."""
        left = [document for documents in self for document in documents]
        self.in_flight.clear()
        self.dead_lettering.clear()
        self.remove_waiting(lambda _: True)
        return left

"""When documents become a batch, and how a batch that is too large is cut.

    add(list, now) --> [waiting lists] --take()--> Batch     full, old enough, or asked for

Lists go in as they were admitted and are never changed, since other lanes hold the same
ones; what comes out is a new list. Time is an argument; sums over documents run in C.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES, Document, Target

LARGE_ENOUGH_DOCUMENTS = 512
"""A batch of so many documents need not wait for more: a bulk costs as much as some ten documents
here, and more in Elasticsearch for each shard that it touches."""
PARTS = 16
"""Parts of a batch that gets no answer: three cuts find one document among thousands."""
GROW_AFTER_BATCHES = 200
"""Batches taken near a limit that was learnt from a refusal, before the limit is doubled."""

_BODY = attrgetter("body")
_PAYLOAD = attrgetter("payload")


def is_given_up(document: Document) -> bool:
    """Whether the document's window will not be acked, so that the Beat sends it again."""
    return document.receipt.failed is not None


def body_bytes(documents: Sequence[Document]) -> int:
    """Return the encoded bytes of all bodies."""
    return sum(map(len, map(_BODY, documents)))


def cost_of(documents: Sequence[Document]) -> int:
    """Return what the budget was charged for these documents: the sum of their ``cost``."""
    payloads = sum(map(len, map(_PAYLOAD, documents)))
    return body_bytes(documents) + payloads + DOCUMENT_OVERHEAD_BYTES * len(documents)


@dataclass(slots=True, eq=False)
class Batch:
    """Documents of one write, and what is known of earlier attempts."""

    documents: list[Document]
    size: int
    """Encoded bytes of the bodies."""
    since: float
    """When the oldest of them came to the lane (monotonic seconds)."""
    tries: int = 0
    """Attempts so far."""
    due: float = 0.0
    """No attempt before this (monotonic seconds)."""
    is_alone: bool = False
    """Not joined with others: it was split to find which document is at fault."""
    waits_for_sink: bool = False
    """The sink was the cause, not the documents: the first success makes it due at once."""
    is_full: bool = False
    """Closed by a limit: more documents wait."""
    probes: Target | None = None
    """The target in trouble that this small batch tests."""
    unanswered: int = 0
    """Attempts in a row without an answer."""
    tried_at: float = math.inf
    """When the attempt before was sent (monotonic seconds)."""
    is_suspect: bool = False
    """Sent in a spare slot: the sink answers others and not this one."""
    split_from: SplitBatch | None = None
    """The batch it was cut from, until this part is answered."""
    unsynced: int = 0
    """How many times in a row it was written and not safe yet."""

    @property
    def is_fresh(self) -> bool:
        """Whether these documents were never tried."""
        return self.tries == 0 and self.probes is None


def batch_of(documents: list[Document], since: float) -> Batch:
    """Return a batch of these documents that was never tried."""
    return Batch(documents, body_bytes(documents), since)


@dataclass(slots=True, eq=False)
class SplitBatch:
    """The parts of a batch that got no answer."""

    size: int
    """Of the whole, in bytes."""
    open: int
    """Parts that are not answered yet."""
    is_broken: bool = False
    """Some part got no answer either, or had been stored as a part of the whole: the size is not
    the cause, or not alone."""


def cut(batch: Batch, parts: int = PARTS, *, suspect: bool = False) -> list[Batch]:
    """Cut a batch into parts of about the same bytes, none of them empty.

    One document alone cannot be cut.
    """
    documents = batch.documents
    if len(documents) == 1:
        return [batch]
    whole = SplitBatch(batch.size, min(parts, len(documents)))
    found: list[Batch] = []
    start = size = 0
    for end, document in enumerate(documents, 1):
        size += len(document.body)
        parts_left = whole.open - len(found) - 1
        is_large = size * whole.open >= batch.size and parts_left > 0
        if is_large or len(documents) - end == parts_left:
            found.append(
                replace(
                    batch, documents=documents[start:end], size=size, tries=0, due=0.0,
                    unanswered=0, is_alone=True, is_suspect=suspect, split_from=whole,
                )
            )  # fmt: skip
            start, size = end, 0
    return found


def halves(batch: Batch) -> list[Batch]:
    """Cut a batch near the middle of its bytes."""
    found = cut(batch, 2)
    for half in found:
        half.split_from = None
    return found


class _Waiting(NamedTuple):
    documents: Sequence[Document]
    size: int
    since: float


class Batcher:
    """The open batch: fresh documents in the order they came."""

    def __init__(self, *, max_documents: int, max_bytes: int, max_age_seconds: float) -> None:
        self.max_documents, self.max_bytes = max_documents, max_bytes
        self.taken_bytes = self._configured_bytes = max_bytes
        """The largest batch that is not refused for its size, as far as is known."""
        self._wanted_bytes = max_bytes
        self._proven_bytes = 0
        """The largest batch that was taken, unless a smaller one was refused since."""
        self._taken = 0
        self.max_age_seconds = max_age_seconds
        self.documents = 0
        self.size = 0
        self._waiting: deque[_Waiting] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the first limit is reached."""
        return self.documents >= self.max_documents or self.size >= self.max_bytes

    @property
    def senders(self) -> Iterator[str]:
        """The senders of the waiting windows, some of them twice."""
        return (waiting.documents[0].receipt.sender for waiting in self._waiting)

    @property
    def is_large_enough(self) -> bool:
        """Whether it is large enough for a write of its own while others are under way."""
        return self.is_full or self.documents >= LARGE_ENOUGH_DOCUMENTS

    @property
    def closes_at(self) -> float | None:
        """When age closes the batch; None while it is empty."""
        return self._waiting[0].since + self.max_age_seconds if self._waiting else None

    @property
    def oldest(self) -> float | None:
        """When the first waiting document came."""
        return self._waiting[0].since if self._waiting else None

    def add(self, documents: Sequence[Document], now: float) -> None:
        """Let documents join; the sequence is kept, so it must not change."""
        if documents:
            self._append(_Waiting(documents, body_bytes(documents), now))

    def is_due(self, now: float) -> bool:
        """Whether the batch is due by its size or its age."""
        closes_at = self.closes_at
        return closes_at is not None and (self.is_full or now >= closes_at)

    def take(self) -> Batch:
        """Close a batch: the oldest documents, within both limits; one alone may exceed bytes."""
        batch = Batch([], 0, self._waiting[0].since, is_full=self.is_full)
        while self._waiting:
            head = self._waiting[0]
            over_count = len(batch.documents) + len(head.documents) > self.max_documents
            if over_count or batch.size + head.size > self.max_bytes:
                if batch.documents:
                    break
                self._cut_head()
                head = self._waiting[0]
            self._waiting.popleft()
            batch.documents.extend(head.documents)
            batch.size += head.size
        self.documents -= len(batch.documents)
        self.size -= batch.size
        return batch

    def shrink(self, refused_bytes: int) -> None:
        """Learn from a batch refused for its size: half of it is the new limit.

        It was larger than what the sink takes, so half of it is at least half of what the sink
        takes. Where larger ones were taken before, the limit stays at the size that was taken,
        and half of that size is the new proof.
        """
        if refused_bytes <= self._proven_bytes:
            self._proven_bytes //= 2
        limit = max(1, refused_bytes // 2, self._proven_bytes)
        self.taken_bytes = min(self.taken_bytes, limit)
        self.max_bytes = min(self._wanted_bytes, self.taken_bytes)
        self._taken = 0

    def note_taken(self, taken_bytes: int) -> None:
        """Learn from a batch that was not refused for its size.

        The refusal may have been temporary (a gateway): after many batches near the limit the
        limit is doubled, up to the setting. If it was not temporary, one batch in so many is
        refused again.
        """
        self._proven_bytes = max(self._proven_bytes, taken_bytes)
        if self.taken_bytes < self._configured_bytes and taken_bytes >= self.taken_bytes // 2:
            self._taken += 1
            if self._taken >= GROW_AFTER_BATCHES:
                self._taken = 0
                self.taken_bytes = min(self._configured_bytes, 2 * self.taken_bytes)
                self.max_bytes = min(self._wanted_bytes, self.taken_bytes)

    def aim(self, documents: int, size: int) -> None:
        """Close batches at these limits from now on, but never above a size that was refused."""
        self.max_documents, self._wanted_bytes = documents, size
        self.max_bytes = min(size, self.taken_bytes)

    def remove(self, unwanted: Callable[[Document], bool]) -> list[Document]:
        """Take out every document of which ``unwanted`` is true."""
        removed: list[Document] = []
        before, self._waiting = self._waiting, deque()
        self.documents = self.size = 0
        for waiting in before:
            kept = [document for document in waiting.documents if not unwanted(document)]
            if len(kept) == len(waiting.documents):
                self._append(waiting)
                continue
            removed += [document for document in waiting.documents if unwanted(document)]
            if kept:
                self._append(_Waiting(kept, body_bytes(kept), waiting.since))
        return removed

    def lists(self) -> list[Sequence[Document]]:
        """Return what is waiting, for counting."""
        return [waiting.documents for waiting in self._waiting]

    def _append(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self.documents += len(waiting.documents)
        self.size += waiting.size

    def _cut_head(self) -> None:
        """Cut a list that is too large for one batch after the last document that fits."""
        head = self._waiting.popleft()
        size = at = 0
        for document in head.documents[: self.max_documents]:
            if at and size + len(document.body) > self.max_bytes:
                break
            size += len(document.body)
            at += 1
        if at < len(head.documents):
            self._waiting.appendleft(_Waiting(head.documents[at:], head.size - size, head.since))
        self._waiting.appendleft(_Waiting(head.documents[:at], size, head.since))

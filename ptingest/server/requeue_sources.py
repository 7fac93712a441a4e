"""What a requeue takes from, and what it does there with what is safe.

    LetterSource     dead letters on disk: marked done
    FailureSource    documents of Elasticsearch's failure stores: they stay, or are deleted

A source gives chunks until an empty one. Each item is requeued under its own key, so that a
second requeue, after an interruption or because a source keeps its items, stores none twice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from ptingest.dead_letters.groups import is_chosen
from ptingest.dead_letters.queue import DeadLetters, Filed, read_filed
from ptingest.errors import SinkUnavailable
from ptingest.model.document import DataStream, Index, Target
from ptingest.model.failures import FailureDocument
from ptingest.model.letters import LetterFilter, Tally
from ptingest.model.origin import Origin
from ptingest.model.outcome import Fate

CHUNK_LETTERS = 1024
"""Letters read, and marked, at once."""
CHUNK_BYTES = 1 << 20
FAILURES_SINK = "elasticsearch"
"""The sink whose failure stores are read, and that gets their documents again."""

T = TypeVar("T")
Record = TypeVar("Record", Filed, FailureDocument)


class Item(NamedTuple, Generic[T]):
    """One event to be requeued."""

    payload: bytes
    origin: Origin
    record: T
    fate: Fate | None = None
    """Set where it is safe already, so that it is not sent."""


class RequeueSource(Protocol[T]):
    """Where a requeue takes from."""

    metric: str
    """Counts what was requeued, by fate."""

    async def next_chunk(self) -> Sequence[Item[T]]:
        """Return the next items; none at the end."""
        ...

    async def settled(self, safe: Sequence[tuple[T, str]], tally: Tally) -> None:
        """Take note of records that are safe, each with its fate."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


# --- dead letters -----------------------------------------------------------------------


def chosen_letters(directory: Path, choice: LetterFilter) -> Iterator[Filed]:
    """Yield the chosen letters that are in the folder now, not those written later."""
    for filed in read_filed(directory):
        if is_chosen(filed.stored, choice):
            yield filed


def next_chunk(letters: Iterator[Filed]) -> list[Filed]:
    """Read the next chunk of letters; an empty one is the end."""
    chunk: list[Filed] = []
    size = 0
    for filed in itertools.islice(letters, CHUNK_LETTERS):
        chunk.append(filed)
        size += len(filed.stored.letter.payload)
        if size >= CHUNK_BYTES:
            break
    return chunk


class LetterSource:
    """The dead letters of this server."""

    metric = "ptingest_dead_letters_requeued_events_total"

    def __init__(self, dead_letters: DeadLetters, choice: LetterFilter) -> None:
        self._dead_letters = dead_letters
        self._letters = chosen_letters(dead_letters.directory, choice)

    async def next_chunk(self) -> Sequence[Item[Filed]]:
        """Return the next letters."""
        chunk = await asyncio.to_thread(next_chunk, self._letters)
        return [_item_of_letter(filed) for filed in chunk]

    async def settled(self, safe: Sequence[tuple[Filed, str]], tally: Tally) -> None:  # noqa: ARG002
        """Mark letters as done."""
        await self._dead_letters.mark_done([filed for filed, _ in safe])

    async def close(self) -> None:
        """Nothing is held."""


def _item_of_letter(filed: Filed) -> Item[Filed]:
    letter = filed.stored.letter
    key = letter.key or filed.stored.id
    return Item(letter.payload, Origin(peer=letter.peer, source="requeue", key=key), filed)


# --- failure stores ---------------------------------------------------------------------


class ReadsFailures(Protocol):
    """The part of a reader of failure stores that a requeue needs."""

    async def refuse_without_rights(self) -> None: ...

    def chosen(self, choice: LetterFilter) -> AsyncIterator[list[FailureDocument]]: ...

    async def stored(self, keys: Sequence[str]) -> set[str]: ...

    async def delete(self, failures: Sequence[FailureDocument]) -> int: ...

    async def close(self) -> None: ...


EventOf = Callable[[bytes], bytes | None]
"""Returns the event that a document was made of; None where rules cannot be undone."""

_ELSEWHERE = frozenset({Fate.STORED, Fate.ALREADY_STORED, Fate.DEAD_LETTERED})
"""Fates of which a failure document is not the only record left."""


class FailureSource:
    """The failure stores of the data streams in force."""

    metric = "ptingest_elasticsearch_requeued_failures_total"

    def __init__(
        self, reader: ReadsFailures, choice: LetterFilter, *, event_of: EventOf, deletes: bool
    ) -> None:
        self._reader, self._event_of, self._deletes = reader, event_of, deletes
        self._pages = reader.chosen(choice)
        self._is_begun = False

    async def next_chunk(self) -> Sequence[Item[FailureDocument]]:
        """Return the next documents as events, and which of them are stored by now.

        Raises:
            SinkUnavailable: no answer, or a privilege is missing.
        """
        if not self._is_begun:
            await self._reader.refuse_without_rights()
            self._is_begun = True
        async for page in self._pages:
            if page:
                # A 409 is given by the write index alone; the stream may have rolled over since.
                there = await self._reader.stored([one.own_key for one in page])
                return [self._item(one, is_there=one.own_key in there) for one in page]
        return []

    def _item(self, failure: FailureDocument, *, is_there: bool) -> Item[FailureDocument]:
        event = self._event_of(failure.source)
        origin = Origin(
            peer="-",
            source="requeue",
            key=failure.own_key,
            sink=FAILURES_SINK,
            target=target_named(failure.data_stream) if event is None else None,
        )
        payload = failure.source if event is None else event
        return Item(payload, origin, failure, Fate.ALREADY_STORED if is_there else None)

    async def settled(self, safe: Sequence[tuple[FailureDocument, str]], tally: Tally) -> None:
        """Delete failure documents if that was asked for and something else has the event."""
        gone = [failure for failure, fate in safe if fate in _ELSEWHERE]
        if not self._deletes or not gone or tally.kept_because is not None:
            return
        try:
            tally.deleted += await self._reader.delete(gone)
        except SinkUnavailable as error:
            tally.kept_because = str(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()


def target_named(name: str) -> Target:
    """Return the target of a document by its name: type, dataset and namespace where it has
    three parts."""
    kind, _, rest = name.partition("-")
    dataset, _, namespace = rest.rpartition("-")
    if kind and dataset and namespace:
        return DataStream(kind, dataset, namespace)
    return Index(name, action="create")

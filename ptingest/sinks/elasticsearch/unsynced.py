"""Which documents that a cluster has already are safe there.

A 409, and a document found by id, say that a first write of it was carried out, and not that
this write was answered: before that it may be on the disk of no copy of its shard, and lost when
a node dies. A shard says how far it is. Every operation up to its global checkpoint is on the
disk of each copy in sync, and none beyond ``max_seq_no`` was begun. So

    there --- stats: checkpoint = max_seq_no -----------> safe, with all that was begun before
          --- stats: behind ---> asked again: still there, checkpoint >= the max_seq_no of then,
                                 or >= its own number, which a look-up says and a 409 does not
          --- stats unknown ---> asked again ``LONG_ENOUGH_SECONDS`` later: still there

where to ask again is to look the document up or to send it, as with any other attempt: a
document that was lost meanwhile is missing, or stored by that.

No clock, no socket: ``now`` is an argument in seconds, monotonic.

Source: ``seq_no`` of the index stats at the level of shards, of Elasticsearch 8 and 9 and of
OpenSearch 2 and 3; ``tests/torture/conflicts.py`` shows the loss on a real node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from ptingest.model.document import Document
from ptingest.sinks.elasticsearch.answer import UNREADABLE, Answer
from ptingest.sinks.elasticsearch.remembered import Remembered

LONG_ENOUGH_SECONDS = 1.0
"""After which a document that is still there counts as safe where no checkpoint can be had."""

MOST_CHARACTERS = 3000
"""Of names in one request: a node takes 4 KiB of path and query."""


class Place(NamedTuple):
    """Where a document is."""

    backing_index: str
    """Empty where the answer does not name it."""
    shard: str | None = None
    """The number of its shard; None where the answer does not name it."""
    seq_no: int | None = None
    """Of the operation that wrote it; None where the answer does not name it."""


class ShardState(msgspec.Struct, frozen=True):
    """How far the primary of one shard is."""

    max_seq_no: int
    global_checkpoint: int


Shards = Mapping[Place, ShardState]


class _Conflict(msgspec.Struct):
    index: str = ""
    shard: str | None = None


_read_conflict = msgspec.json.Decoder(_Conflict).decode


def place_of_conflict(error: bytes | msgspec.Raw) -> Place:
    """Return where the document is that a 409 tells of."""
    try:
        conflict = _read_conflict(error)
    except UNREADABLE:
        return Place("")
    return Place(conflict.index, conflict.shard)


@dataclass(slots=True)
class _Waiting:
    place: Place
    """Without ``seq_no``, as ``Shards`` have it."""
    since: float
    """When it was there for the first time, or its shard said last that it is behind (monotonic
    seconds)."""
    max_seq_no: int | None = None
    """Its own operation is none beyond this; None until it is known."""
    seq_no: int | None = None
    """Of its own operation, where the latest answer named it."""


class Unsynced:
    """One sink's documents that are there and may not be safe yet.

    Bounded by what is outstanding, as ``Doubts``. Another write may forget, at any time, what
    is of a window that was given up.
    """

    def __init__(self) -> None:
        self._waiting: Remembered[_Waiting] = Remembered()

    def saw(self, there: Mapping[Document, Place], now: float) -> None:
        """Remember where documents are, as an answer says it that came now."""
        for document, place in there.items():
            waiting = self._waiting.get(document)
            if waiting is None or waiting.place.backing_index != place.backing_index:
                at = Place(place.backing_index, place.shard)
                waiting = self._waiting[document] = _Waiting(at, now)
            waiting.seq_no = place.seq_no
        self._waiting.sweep()

    def take_safe(
        self, documents: Iterable[Document], shards: Shards, asked_at: float
    ) -> tuple[list[Document], list[Document]]:
        """Return those that are safe, and the others.

        ``documents`` were there in an answer before the one that ``shards`` was read from, to a
        request that began at ``asked_at`` or later: how long the answers took proves nothing.
        """
        safe: list[Document] = []
        others: list[Document] = []
        for document in documents:
            waiting = self._waiting.get(document)
            is_safe = waiting is not None and _is_safe(waiting, shards, asked_at)
            (safe if is_safe else others).append(document)
        return safe, others

    def over(self, documents: Iterable[Document], *, but: Collection[Document]) -> None:
        """Forget these ``but`` some: their outcome is certain now."""
        if self._waiting:
            for document in documents:
                if document not in but:
                    self._waiting.pop(document, None)

    def places(self, documents: Iterable[Document]) -> Iterator[tuple[Document, str]]:
        """Yield each of these with its backing index, where that is known."""
        for document in documents:
            waiting = self._waiting.get(document)
            if waiting is not None and waiting.place.backing_index:
                yield document, waiting.place.backing_index

    def indices(self, documents: Iterable[Document]) -> list[str]:
        """Return the backing indices to ask about, in order."""
        return sorted({index for _, index in self.places(documents)})


def _is_safe(waiting: _Waiting, shards: Shards, asked_at: float) -> bool:
    state = shards.get(waiting.place) if waiting.place.backing_index else None
    if state is None:
        return asked_at - waiting.since >= LONG_ENOUGH_SECONDS
    waiting.since = asked_at
    if waiting.seq_no is not None:
        return state.global_checkpoint >= waiting.seq_no
    # A copy that took the place of a primary may have begun less; what is there now, it has.
    known = state.max_seq_no if waiting.max_seq_no is None else waiting.max_seq_no
    waiting.max_seq_no = min(known, state.max_seq_no)
    return state.global_checkpoint >= waiting.max_seq_no


def shards_targets(indices: Sequence[str]) -> Iterator[str]:
    """Yield path and query of each request for the state of all shards of these indices."""
    names: list[str] = []
    for name in map(quote, indices):
        if names and sum(map(len, names)) + len(names) + len(name) > MOST_CHARACTERS:
            yield _shards_target(names)
            names = []
        names.append(name)
    if names:
        yield _shards_target(names)


def _shards_target(names: Sequence[str]) -> str:
    wanted = "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no"
    # The section `get` is of those that cost least; the state of a shard is in each answer. An
    # index that was deleted or closed meanwhile must not cost the answer for the others.
    return (
        f"/{','.join(names)}/_stats/get?level=shards&ignore_unavailable=true&filter_path={wanted}"
    )


class _Routing(msgspec.Struct, frozen=True):
    primary: bool = False


class _Copy(msgspec.Struct):
    routing: _Routing = _Routing()
    seq_no: ShardState | None = None


class _Index(msgspec.Struct):
    shards: dict[str, list[_Copy]] = {}


class _Stats(msgspec.Struct):
    indices: dict[str, _Index] = {}


_read_stats = msgspec.json.Decoder(_Stats).decode


def read_shards(answer: Answer) -> Shards:
    """Read one answer to ``shards_targets``; empty where it says nothing.

    A shard that is alone in its index is found without its number, too.
    """
    if not answer.is_from_cluster or answer.status != 200:
        return {}
    try:
        indices = _read_stats(answer.body).indices
    except UNREADABLE:
        return {}
    states: dict[Place, ShardState] = {}
    for name, index in indices.items():
        for number, copies in index.shards.items():
            for copy in copies:
                if copy.routing.primary and copy.seq_no is not None:
                    states[Place(name, number)] = copy.seq_no
        if list(index.shards) == ["0"] and Place(name, "0") in states:
            states[Place(name)] = states[Place(name, "0")]
    return states

"""Which documents may be in which backing index, and how to look them up.

A data stream gives 409 for a repeated id only within its write index. A document whose
attempt got no answer may therefore be stored twice if the stream rolls over before it is sent
again; so it is looked up first, by id, in the write index that was last seen at the time of
that attempt. ``_mget`` by id is realtime: no refresh is needed.

    lost attempt --- arose(document) ---> remembered with the write index last seen
    next attempt --- lookups() ---------> mget_body --> read_mget --> found: it is there
                                                                  --> missing: send it
    any certain outcome --- over() -----> forgotten

No clock, no socket: ``now`` is an argument in seconds, monotonic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ptingest.model.document import Document, Target
from ptingest.sinks.elasticsearch.answer import UNREADABLE, Answer
from ptingest.sinks.elasticsearch.remembered import Remembered
from ptingest.sinks.elasticsearch.unsynced import Place

FRESH_SECONDS = 10.0
"""A write index seen longer ago is requested again with the next bulk."""
MGET_TARGET = "/_mget?_source=false&filter_path=docs.found,docs._seq_no,docs.error.type"
MOST_LOOKUPS = 1000
"""Ids in one ``_mget``."""


class Lookup(NamedTuple):
    """A document to look up in a backing index that may hold it."""

    document: Document
    write_index: str


class LookupResult(NamedTuple):
    """What one ``_mget`` found."""

    found: Mapping[Document, Place] = {}
    """Those that are there, and where."""
    is_denied: bool = False
    """The writer lacks ``read``; nothing can be known this way."""
    is_whole: bool = True
    """False where some lookup got no usable answer: repeat it later."""


class Doubts:
    """One sink's write index for each data stream, and its documents in doubt.

    Bounded by what is outstanding: only documents that a lane still holds are kept, and
    those that were given back since are removed. There is one write index for each data stream
    that took a document; the cluster's shard limit bounds their number.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._open: Remembered[tuple[str, ...]] = Remembered()

    def __len__(self) -> int:
        return len(self._open)

    def is_stale(self, targets: Iterable[Target], now: float) -> bool:
        """Whether the write index of any of them should be requested."""
        for target in targets:
            seen = self._seen.get(target.name)
            if seen is None or now - seen[1] >= FRESH_SECONDS:
                return True
        return False

    def saw(self, write_indices: Mapping[str, str], now: float) -> None:
        """Remember the backing index that took a document of each stream."""
        for name, index in write_indices.items():
            self._seen[name] = (index, now)

    def write_index(self, target: Target) -> str | None:
        """Return the write index last seen, None before the first."""
        seen = self._seen.get(target.name)
        return None if seen is None else seen[0]

    def arose(self, documents: Iterable[Document]) -> None:
        """Remember that these may have been stored, in the write index last seen.

        Where none was seen yet nothing can be looked up; a repeated id is known by its 409 only.
        """
        for document in documents:
            seen = self._seen.get(document.target.name)
            if seen is not None and document.key is not None:
                self._add(document, seen[0])
        self._open.sweep()

    def arose_in(self, places: Iterable[tuple[Document, str]]) -> None:
        """Remember that these may be in these indices."""
        for document, index in places:
            self._add(document, index)
        self._open.sweep()

    def _add(self, document: Document, index: str) -> None:
        indices = self._open.get(document, ())
        if index not in indices:
            self._open[document] = (*indices, index)

    def over(self, documents: Iterable[Document]) -> None:
        """Forget them: their outcome is certain now."""
        if self._open:
            for document in documents:
                self._open.pop(document, None)

    def indices(self, document: Document) -> tuple[str, ...]:
        """Return where an earlier attempt may have put it; empty where there is no doubt."""
        return self._open.get(document, ())

    def lookups(self, documents: Iterable[Document]) -> list[Lookup]:
        """Return what to look up before sending these, usually nothing."""
        if not self._open:
            return []
        return [
            Lookup(document, index)
            for document in documents
            for index in self._open.get(document, ())
        ]


def mget_body(lookups: Sequence[Lookup]) -> bytes:
    """Return the body of one ``_mget`` request."""
    return msgspec.json.encode({"docs": [_asked(lookup) for lookup in lookups]})


def _asked(lookup: Lookup) -> dict[str, str]:
    document = lookup.document
    asked = {"_index": lookup.write_index, "_id": document.key or ""}
    if document.routing is not None:
        # Without it another shard is looked at, and an index may require it.
        asked["routing"] = document.routing
    return asked


class _LookupError(msgspec.Struct):
    type: str = ""


class _FoundDocument(msgspec.Struct):
    found: bool = False
    seq_no: int | None = msgspec.field(name="_seq_no", default=None)
    error: _LookupError | None = None


class _LookupAnswer(msgspec.Struct):
    docs: list[_FoundDocument]


_read_docs = msgspec.json.Decoder(_LookupAnswer).decode


def read_mget(lookups: Sequence[Lookup], answer: Answer) -> LookupResult:
    """Read one answer to ``mget_body``, whose items are in the order of the lookups."""
    if not answer.is_from_cluster:
        return LookupResult(is_whole=False)
    if answer.status == 403:
        return LookupResult(is_denied=True)
    if answer.status != 200:
        return LookupResult(is_whole=False)
    try:
        docs = _read_docs(answer.body).docs
    except UNREADABLE:
        return LookupResult(is_whole=False)
    if len(docs) != len(lookups):
        return LookupResult(is_whole=False)
    errors = {doc.error.type for doc in docs if doc.error is not None}
    if "security_exception" in errors:
        return LookupResult(is_denied=True)
    # The documents of an index that was deleted since are missing for certain.
    return LookupResult(
        {
            lookup.document: Place(lookup.write_index, seq_no=doc.seq_no)
            for lookup, doc in zip(lookups, docs, strict=True)
            if doc.found
        },
        is_whole=errors <= {"index_not_found_exception"},
    )

"""The documents of a failure store: the searches for them, and what the answers say. Pure.

    {"@timestamp", "document": {"id", "index", "routing", "source"}, "error": {"type", "message"}}

That is their shape on 8.19 and 9. A document that fails again is another one with the same
``document.id``; one that fails in an ingest pipeline may have none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ptingest.model.failures import FailureDocument
from ptingest.model.letters import LetterFilter
from ptingest.sinks.elasticsearch.answer import UNREADABLE

REASON_CHARACTERS = 300
KEY = "document.id"
_PREVIEW = " Preview of field's value"
"""From here an error quotes the event, which must be neither in a log nor in `/status`."""
_OWN = re.compile(r"^\[\d+:\d+\] | in document with id '[^']*'\.?|, time series dimensions are: .*")
"""What differs in the errors of documents that fail for the same reason."""
_LISTED = [
    "@timestamp",
    "document.id",
    "document.index",
    "document.source.message",
    "document.source.service",
    "error.type",
    "error.message",
]


def reason_of(kind: str, message: str) -> str:
    """Return an error as one line that documents of the same reason share."""
    shared = _OWN.sub("", message.partition(_PREVIEW)[0])
    text = f"{kind}: {' '.join(shared.split())}"[:REASON_CHARACTERS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def is_chosen(failure: FailureDocument, choice: LetterFilter) -> bool:
    """Whether a filter takes a document: its reasons are whole ones or types of errors."""
    return any(
        choice.takes(
            letter_id=failure.id, time=failure.time, reason=reason, data_stream=failure.data_stream
        )
        for reason in (failure.reason, failure.kind)
    )


# --- searches -------------------------------------------------------------------------------


def newest_body(choice: LetterFilter) -> dict[str, Any]:
    """Return a search for errors, newest first; in a snapshot, which decides between documents of
    one time."""
    return {
        "query": _query(choice),
        "sort": [{"@timestamp": "desc"}],
        "_source": _LISTED,
        "track_total_hits": True,
    }


def with_key_body(choice: LetterFilter, size: int, after: str | None) -> dict[str, Any]:
    """Return a search for whole documents in the order of their keys, each key once.

    That order lasts while documents are added and deleted; those that fail again meanwhile have
    keys that were passed already.
    """
    return {
        "size": size,
        "query": _query(choice, {"exists": {"field": KEY}}),
        "sort": [{KEY: "asc"}],
        "collapse": {"field": KEY},
        **({} if after is None else {"search_after": [after]}),
    }


def without_key_body(choice: LetterFilter) -> dict[str, Any]:
    """Return a search, in a snapshot, for whole documents that have no key."""
    query = _query(choice)
    query["bool"]["must_not"] = [{"exists": {"field": KEY}}]
    return {"query": query, "sort": ["_shard_doc"]}


def one_body(failure_id: str) -> dict[str, Any]:
    """Return a search for one whole document."""
    return {"size": 1, "query": {"ids": {"values": [failure_id]}}}


def copies_body(keys: Sequence[str], size: int) -> dict[str, Any]:
    """Return a search for the places of all documents with these keys."""
    return {"size": size, "query": {"terms": {KEY: list(keys)}}, "_source": False}


def stored_body(keys: Sequence[str]) -> dict[str, Any]:
    """Return a search of the data streams for documents stored under these keys."""
    return {"size": len(keys), "query": {"ids": {"values": list(keys)}}, "_source": False}


def deletion(places: Sequence[tuple[str, str]]) -> bytes:
    """Return the body of a bulk that deletes documents, each named by index and id."""
    lines = [{"delete": {"_index": index, "_id": name}} for index, name in places]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _query(choice: LetterFilter, *more: dict[str, Any]) -> dict[str, Any]:
    """As much of a choice as can be searched for; ``is_chosen`` decides the rest."""
    filters: list[dict[str, Any]] = list(more)
    if choice.ids:
        filters.append({"ids": {"values": list(choice.ids)}})
    if choice.data_streams:
        filters.append({"terms": {"document.index": list(choice.data_streams)}})
    if choice.before is not None:
        filters.append({"range": {"@timestamp": {"lt": choice.before}}})
    return {"bool": {"filter": filters}}


# --- answers --------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    type: str = ""
    message: str | None = None


class _Inner(msgspec.Struct):
    id: str | None = None
    index: str = ""
    source: msgspec.Raw = msgspec.Raw(b"")


class _Source(msgspec.Struct):
    error: _Error
    """What other documents do not have; 8.13 takes the name of a failure store for its stream."""
    timestamp: str = msgspec.field(name="@timestamp", default="")
    document: _Inner = msgspec.field(default_factory=_Inner)


class Place(msgspec.Struct):
    """Where a document is."""

    index: str = msgspec.field(name="_index", default="")
    id: str = msgspec.field(name="_id", default="")


class _Hit(Place):
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))
    sort: list[Any] = msgspec.field(default_factory=list)


class _Total(msgspec.Struct):
    value: int = 0


class _Hits(msgspec.Struct):
    hits: list[_Hit] = msgspec.field(default_factory=list)
    total: _Total | None = None


class _Answer(msgspec.Struct):
    hits: _Hits = msgspec.field(default_factory=_Hits)
    pit_id: str | None = None


_read = msgspec.json.Decoder(_Answer).decode
_read_source = msgspec.json.Decoder(_Source).decode


class FoundFailures(NamedTuple):
    """One page of a search."""

    failures: list[FailureDocument]
    places: list[Place]
    """Of all hits, also where no source was requested."""
    total: int
    last: list[Any] | None
    """Where the next page begins; None after the last one."""
    snapshot: str | None


def read_failures(body: bytes, *, size: int) -> FoundFailures | None:
    """Read the answer to one search for ``size`` documents; None where it cannot be read.

    Hits that are no failure documents are left out.
    """
    try:
        answer = _read(body)
    except UNREADABLE:
        return None
    hits = answer.hits.hits
    failures = [found for hit in hits if (found := _failure(hit)) is not None]
    return FoundFailures(
        failures,
        [Place(hit.index, hit.id) for hit in hits],
        answer.hits.total.value if answer.hits.total is not None else len(hits),
        hits[-1].sort if len(hits) == size else None,
        answer.pit_id,
    )


def _failure(hit: _Hit) -> FailureDocument | None:
    try:
        source = _read_source(hit.source)
    except UNREADABLE:
        return None
    document, error = source.document, source.error
    message = error.message or ""
    return FailureDocument(
        id=hit.id,
        store_index=hit.index,
        time=source.timestamp,
        data_stream=document.index,
        key=document.id,
        kind=error.type,
        message=message,
        reason=reason_of(error.type, message),
        source=bytes(document.source),
        whole=bytes(hit.source),
    )

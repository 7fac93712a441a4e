"""What became of documents: outcomes are values, exceptions are for leaving a room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from ptingest.model.document import Document


class DropReason(StrEnum):
    """Why a rule dropped an event on purpose (its window is acked all the same)."""

    OTHER_GROUP = "other_group"
    NO_SERVICE = "no_service"
    INGEST_PIPELINE = "ingest_pipeline"
    """By Elasticsearch's own, which answered that it wrote nothing."""


class Fate(StrEnum):
    """How an event's journey ended; the terms of the books' equation."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    FAILURE_STORED = "failure_stored"
    DEAD_LETTERED = "dead_lettered"
    DROPPED = "dropped"
    GIVEN_BACK = "given_back"


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An event that no sink will take, with everything needed to put it through again.

    ``reason`` is a short fixed label (``not_json``, ``not_an_object``,
    ``illegal_data_stream``, ``refused`` ...), ``detail`` a sentence or the error as the
    sink gave it. ``payload`` is the event as the Beat sent it, whole.
    """

    reason: str
    detail: str
    payload: bytes
    service: str
    peer: str
    data_stream: str | None = None
    key: str | None = None
    count: int = 1
    """Events that are kept as this one letter; only empty ones are kept together."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A final no to one document, of a sink or of a rule that stands before it."""

    document: Document
    reason: str
    """Short fixed label, for metrics and ``dead-letters list``."""
    detail: str
    """The error as the sink gave it, or a sentence."""

    def letter(self) -> DeadLetter:
        """Return what is kept of the document."""
        document = self.document
        return DeadLetter(
            reason=self.reason,
            detail=self.detail,
            payload=document.payload,
            service=document.service,
            peer=document.peer,
            data_stream=document.data_stream.name,
            key=document.key,
        )


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one batch: whatever is not listed here was stored now."""

    already_stored: Sequence[Document] = ()
    """409 on a keyed create: written before."""
    failure_stored: Sequence[Document] = ()
    """Elasticsearch put it into its failure store: safe, counted apart."""
    dropped: Sequence[Document] = ()
    """An ingest pipeline of Elasticsearch's dropped it, on purpose: safe, stored nowhere."""
    refused: Sequence[Refusal] = ()
    """Will never be accepted: to the dead letters."""
    busy: Sequence[Document] = ()
    """Asked us to come back: these and only these again."""
    doubtful: Sequence[Document] = ()
    """The answer never came or was not whole: may be stored."""
    stream_busy: Sequence[Refusal] = ()
    """One data stream's trouble (403, missing template, shard limit): busy for
    ``patience_seconds``, then dead-lettered with this reason."""
    failing: Sequence[Refusal] = ()
    """Neither taken nor refused, with what was said of each: tried again, and dead-lettered
    with this reason when others were taken for ``patience_seconds`` and it was not."""
    busy_because: str = ""
    """What was said of the busy ones, of the last of them."""
    retry_after_seconds: float | None = None
    """What the sink asked for; at least this long before the next attempt."""
    too_large: bool = False
    """The body was refused for its size (413): all are busy, the lane halves the batch."""
    unreadable: bool = False
    """The request was refused for one of its documents, nobody says which; nothing was
    stored, all are busy, the lane halves the batch."""
    said: str = ""
    """How the sink answered as a whole, for who asks about one document: ``HTTP 200``."""
    trouble: str | None = None
    """A sentence for the operator when the sink as a whole is in trouble (readiness red);
    None when it answered well."""


@dataclass(slots=True)
class Processed:
    """What the pipeline made of one chunk of payloads; every payload has one fate here.

    len(payloads) == len(documents) + len(dead_letters) + sum(dropped.values()).
    """

    documents: list[Document] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    """Service label -> events."""
    dropped: dict[tuple[str, DropReason], int] = field(default_factory=dict)
    """(service label, reason) -> events."""
    tallies: dict[tuple[str, str], int] = field(default_factory=dict)
    """(service label, what) -> events: ``grok_failure``, ``date_failure``,
    ``mutate_failure``, ``fields_not_under_root``, ``duplicate_keys``, ``invalid_utf8`` ..."""

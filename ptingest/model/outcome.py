"""Outcomes of documents, as values; exceptions are raised only across rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from ptingest.model.document import Document


class DropReason(StrEnum):
    """Reason of an event that a rule dropped on purpose (its window is acked all the same)."""

    OTHER_GROUP = "other_group"
    NO_SERVICE = "no_service"
    INGEST_PIPELINE = "ingest_pipeline"
    """An ingest pipeline of Elasticsearch dropped it; the answer says that nothing was written."""
    FILTER = "filter"
    """A filter of the ``logstash.conf`` dropped it."""
    NO_OUTPUT = "no_output"
    """No output of the ``logstash.conf`` was for it."""
    CONDITION_ERROR = "condition_error"
    """A condition of the ``logstash.conf`` could not be decided for it; Logstash drops it, too."""


class Fate(StrEnum):
    """The last state of an event; these are the terms of the books' equation."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    FAILURE_STORED = "failure_stored"
    DEAD_LETTERED = "dead_lettered"
    DROPPED = "dropped"
    GIVEN_BACK = "given_back"
    ELSEWHERE = "elsewhere"
    """None of its documents is for this sink: others have them."""
    BUFFERED = "buffered"
    """In the topic of the buffer, whose books call it appended."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An event that no sink will take, with everything that is needed to requeue it.

    ``reason`` is a short fixed label (``not_json``, ``not_an_object``, ``illegal_data_stream``,
    ``refused`` ...), ``detail`` is a sentence or the error as the sink returned it. ``payload``
    is the complete event as the Beat sent it.
    """

    reason: str
    detail: str
    payload: bytes
    service: str
    peer: str
    data_stream: str | None = None
    key: str | None = None
    count: int = 1
    """How many events this one letter stands for; only empty ones share a letter."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A final refusal of one document, by a sink or by a rule that is applied before it."""

    document: Document
    reason: str
    """Short fixed label, for metrics and ``dead-letters list``."""
    detail: str
    """The error as the sink returned it, or a sentence."""

    def letter(self) -> DeadLetter:
        """Return the dead letter of the document."""
        document = self.document
        return DeadLetter(
            reason=self.reason,
            detail=self.detail,
            payload=document.payload,
            service=document.service,
            peer=document.peer,
            data_stream=document.target.name,
            key=document.key,
        )


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one batch: a document that is not listed here was stored by this attempt."""

    already_stored: Sequence[Document] = ()
    """An earlier attempt stored it, and it is safe."""
    unsynced: Sequence[Document] = ()
    """An earlier attempt wrote it, and the sink does not say yet that it would outlive a crash:
    it is asked about again soon. No trouble of anybody."""
    failure_stored: Sequence[Document] = ()
    """Elasticsearch put it into its failure store: safe, counted separately."""
    dropped: Sequence[Document] = ()
    """An ingest pipeline of Elasticsearch dropped it, on purpose: safe, stored nowhere."""
    refused: Sequence[Refusal] = ()
    """The sink will never accept these: they become dead letters."""
    busy: Sequence[Document] = ()
    """The sink asked for these again later; only these are attempted again."""
    doubtful: Sequence[Document] = ()
    """The answer never arrived or was incomplete: the document may be stored."""
    stream_busy: Sequence[Refusal] = ()
    """Problem of one data stream (403, missing template, shard limit): busy for
    ``patience_seconds``, then dead-lettered with this reason."""
    failing: Sequence[Refusal] = ()
    """Neither taken nor refused, with the sink's answer for each: attempted again, and
    dead-lettered with this reason when others were taken for ``patience_seconds`` and it was
    not."""
    busy_because: str = ""
    """The sink's answer for the last of the busy ones."""
    retry_after_seconds: float | None = None
    """The delay that the sink asked for; the next attempt begins no earlier."""
    too_large: bool = False
    """The body was refused for its size (413): all are busy, the lane halves the batch."""
    unreadable: bool = False
    """The request was refused for one of its documents and the answer does not name it; nothing
    was stored, all are busy, the lane halves the batch."""
    said: str = ""
    """How the sink answered the whole request, for traces of one document: ``HTTP 200``."""
    trouble: str | None = None
    """A sentence for the operator when the sink as a whole is in trouble (readiness red); None
    when it answered normally."""


@dataclass(slots=True)
class Processed:
    """The pipeline's result for one chunk of payloads; every payload has one fate here.

    It became one or more documents, one dead letter, or was dropped. Unless ``is_spread``,
    len(payloads) == len(documents) + len(dead_letters) + sum(dropped.values()).
    """

    documents: list[Document] = field(default_factory=list)
    """Those of one payload follow each other and share its object."""
    is_spread: bool = False
    """Some payload became several documents, or some document is not for every sink."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    """Service label -> events."""
    dropped: dict[tuple[str, DropReason], int] = field(default_factory=dict)
    """(service label, reason) -> events."""
    tallies: dict[tuple[str, str], int] = field(default_factory=dict)
    """(service label, what) -> events: ``grok_failure``, ``date_failure``,
    ``mutate_failure``, ``fields_not_under_root``, ``duplicate_keys``, ``invalid_utf8`` ..."""

"""Decides where a chunk is processed, and has it processed.

a document that rules cannot be applied to      as it is, to its target
larger than beats.limits.event_bytes          a dead letter, undecoded
larger than LARGE_BYTES                       the process for large events
an event that has ended processes before      a dead letter, undecoded
everything else                               the pipeline, here, after a checkpoint
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ptingest.model.contracts import Checkpoint
from ptingest.model.document import LARGE_BYTES, DataStream, Document, Index, Target
from ptingest.model.origin import Origin, RecordPlace
from ptingest.model.outcome import DeadLetter, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.authorize import process_permitted
from ptingest.pipeline.identity import part_key, record_key
from ptingest.pipeline.pipeline import Pipeline, as_it_came
from ptingest.pipeline.stream_limit import StreamLimit
from ptingest.server.large_events import LargeEvents
from ptingest.server.poison import PoisonRecord
from ptingest.telemetry.metrics import Metrics

EVENT_TOO_LARGE = "event_too_large"
ENDED_WORKER = "ended_worker"


class Processing:
    """Payloads to `Processed`; holds the pipeline in force."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        event_bytes: int,
        poison: PoisonRecord,
        checkpoint: Checkpoint,
        metrics: Metrics,
    ) -> None:
        self.pipeline = pipeline
        self.event_bytes = event_bytes
        """A larger event is never decoded."""
        self.poison = poison
        self.large = LargeEvents(lambda: self.pipeline.profile)
        self._checkpoint, self._metrics = checkpoint, metrics
        self._stream_limit = StreamLimit()

    def is_for_large(self, chunk: Sequence[bytes], size: int) -> bool:
        """Whether this is one event that the process for large events works on."""
        return len(chunk) == 1 and LARGE_BYTES < size <= self.event_bytes

    async def process(
        self,
        chunk: Sequence[bytes],
        size: int,
        receipt: Receipt,
        origin: Origin,
        *,
        now_ns: int,
        is_split: bool,
    ) -> Processed:
        """Decide the fate of each payload of a chunk of ``size`` bytes.

        ``is_split``: its one event was cut out of a chunk that has ended processes.
        """
        is_single = len(chunk) == 1
        if origin.target is not None:
            label = self.pipeline.label_of(service_of(origin.target))
            processed = as_it_is(chunk[0], receipt, origin, origin.target, label)
        elif is_single and size > self.event_bytes:
            processed = too_large(chunk[0], origin, limit=self.event_bytes)
        elif is_single and size > LARGE_BYTES:
            processed = await self._process_large(chunk[0], receipt, origin, now_ns)
        elif is_single and origin.source != "requeue" and self.poison.is_suspect(chunk):
            processed = poisonous(chunk[0], origin)
        else:
            await self._checkpoint(size)
            began = time.perf_counter()
            with self.poison.working_on(chunk, is_split=is_split):
                processed = process_permitted(
                    self.pipeline, chunk, receipt=receipt, origin=origin, now_ns=now_ns
                )
            self._metrics.add("ptingest_pipeline_seconds_total", time.perf_counter() - began)
        if origin.key is not None:
            processed = with_key(processed, origin.key)
        if origin.sink is not None:
            processed = for_one_sink(processed, origin.sink)
        if origin.records is not None:
            processed = known_by_records(processed, origin.records)
        self._stream_limit.apply(processed, self.pipeline.profile)
        return processed

    async def _process_large(
        self, payload: bytes, receipt: Receipt, origin: Origin, now_ns: int
    ) -> Processed:
        try:
            alone = replace(origin, records=None)
            return await self.large.process(payload, receipt=receipt, origin=alone, now_ns=now_ns)
        except OSError as error:
            receipt.fail(f"no process can be started for an event of {len(payload)} bytes: {error}")
            return Processed()


def too_large(payload: bytes, origin: Origin, *, limit: int) -> Processed:
    """Make a letter of an event beyond the limit, as it came."""
    detail = (
        f"an event of {len(payload)} bytes, {limit} are allowed (beats.limits.event_bytes); "
        "raise it and requeue the letter, or have the sender cut its events"
    )
    return as_it_came(payload, peer=origin.peer, reason=EVENT_TOO_LARGE, detail=detail)


def poisonous(payload: bytes, origin: Origin) -> Processed:
    """Make a letter of an event that ended one process after the other, as it came."""
    detail = (
        "each process that worked on this event ended or did not come to an end; report it, "
        "and requeue it with a version that fixes it"
    )
    return as_it_came(payload, peer=origin.peer, reason=ENDED_WORKER, detail=detail)


def with_key(processed: Processed, key: str) -> Processed:
    """Give what was made of a requeued letter the key that the letter had.

    Where several documents were made of it, they keep the keys that they have: the letter's was
    that of one of them.
    """
    several = len(processed.documents) > 1
    processed.documents = [
        one
        if _has_own_id(one) or (several and one.key is not None)
        else replace(one, key=part_key(key, number) if several else key)
        for number, one in enumerate(processed.documents)
    ]
    processed.dead_letters = [replace(one, key=key) for one in processed.dead_letters]
    return processed


def known_by_records(processed: Processed, records: Mapping[int, RecordPlace]) -> Processed:
    """Give documents and letters that have no key that of the record they came in.

    ``records`` has the places by the ``id`` of payloads.
    """
    payload, number = None, 0
    for index, document in enumerate(processed.documents):
        number = number + 1 if document.payload is payload else 0
        payload = document.payload
        if document.key is None and not _has_own_id(document):
            key = part_key(record_key(records[id(payload)], payload), number)
            processed.documents[index] = replace(document, key=key)
    processed.dead_letters = [_placed(letter, records) for letter in processed.dead_letters]
    return processed


def _placed(letter: DeadLetter, records: Mapping[int, RecordPlace]) -> DeadLetter:
    """Say in a letter which record it came in, and give it its key."""
    place = records.get(id(letter.payload))
    if place is None:
        return letter
    told = f"topic {place.topic}, partition {place.partition}, offset {place.offset}"
    return replace(
        letter,
        detail=f"{letter.detail} ({told})",
        key=letter.key or record_key(place, letter.payload),
    )


def as_it_is(
    body: bytes, receipt: Receipt, origin: Origin, target: Target, label: str
) -> Processed:
    """Make a document of a payload that is one."""
    document = Document(target, body, origin.key, receipt, body, label, origin.peer)
    return Processed(documents=[document], received={label: 1})


def service_of(target: Target) -> str:
    """Return the service that a target's name has."""
    return target.dataset if isinstance(target, DataStream) else target.name


def for_one_sink(processed: Processed, sink: str) -> Processed:
    """Let the documents go to one sink alone: the others have them."""
    processed.documents = [
        replace(one, target=replace(one.target, output=sink)) for one in processed.documents
    ]
    processed.is_spread = True
    return processed


def _has_own_id(document: Document) -> bool:
    return isinstance(document.target, Index) and document.target.has_own_ids

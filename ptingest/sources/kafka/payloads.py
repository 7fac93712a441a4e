"""What is in the records of a partition: events to admit, with where they came from. Pure.

One record is one event, as the Kafka outputs of Filebeat and Logstash write them, or, where its
header says so, the events of a record of the buffer. What is no event is admitted, too: the
pipeline makes a dead letter of it, with its topic, partition and offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ptingest.kafka.polled import KafkaRecord
from ptingest.kafka.record import BrokenRecord, decode, is_buffer_record
from ptingest.model.origin import Origin, RecordPlace

RUN_RECORDS = 500
"""Records that are admitted, and become safe, together."""
RUN_BYTES = 1 << 20
"""Bytes of these, unless one record alone is larger."""
TOMBSTONE = b"null"
"""What stands for a record without a value: a payload that is no object."""


class Admission(NamedTuple):
    """Events of one origin."""

    payloads: list[bytes]
    origin: Origin
    broken: str | None = None
    """Why a record of the buffer could not be read; it is admitted as it is."""


def runs_of(records: Sequence[KafkaRecord]) -> Iterator[Sequence[KafkaRecord]]:
    """Cut one partition's records into what is admitted together; order is kept.

    Each record of the buffer is alone. So is a second record whose value is the same object as
    an earlier one's, which Python makes of values of no byte or one: events are told apart by
    their payload objects.
    """
    run: list[KafkaRecord] = []
    size, known = 0, set[int]()
    for record in records:
        bytes_of = size_of(record)
        is_alone = is_buffer_record(record.headers)
        is_full = len(run) >= RUN_RECORDS or size + bytes_of > RUN_BYTES
        if run and (is_alone or is_full or id(record.value) in known):
            yield run
            run, size, known = [], 0, set()
        if is_alone:
            yield [record]
            continue
        run.append(record)
        size += bytes_of
        if record.value is not None:
            known.add(id(record.value))
    if run:
        yield run


def size_of(record: KafkaRecord) -> int:
    """Bytes of a record's value."""
    return 0 if record.value is None else len(record.value)


def admission_of(run: Sequence[KafkaRecord], *, limit_bytes: int) -> Admission:
    """Return the events of a run; a record of the buffer inflates to ``limit_bytes`` at most."""
    first = run[0]
    if not is_buffer_record(first.headers):
        return _singles(run)
    read = decode(first.value, first.headers, limit_bytes=limit_bytes)
    if isinstance(read, BrokenRecord):
        singles = _singles(run)
        # It is no event of others, whatever the rules make of those.
        return singles._replace(origin=replace(singles.origin, source="buffer"), broken=read.detail)
    return Admission(read.payloads, read.origin)


def _singles(run: Sequence[KafkaRecord]) -> Admission:
    payloads = [_payload(one) for one in run]
    places = {
        id(payload): RecordPlace(
            one.topic, one.partition, one.offset, one.millis, one.key, one.headers or (),
            one.value is None,
        )
        for payload, one in zip(payloads, run, strict=True)
    }  # fmt: skip
    peer = f"{run[0].topic}/{run[0].partition}"
    return Admission(payloads, Origin(peer, source="kafka", records=places))


def _payload(record: KafkaRecord) -> bytes:
    if record.value is None:
        return bytes(bytearray(TOMBSTONE))  # an object of its own
    return record.value

"""A payload that is a record of Kafka, with the record's place, key and headers before its value.

    {"@kafka":{"topic":"logs","partition":3,"offset":7,"timestamp":1795000000007}}<tab>value

The rules of an input ``kafka`` of a ``logstash.conf`` ask for these, and a payload is all that
dead letters, traces and the process for large events keep of an event. The value stays as it
came, so that it is found and shown as what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ptingest.model.origin import RecordPlace

BEGINNING = b'{"@kafka":{'
_END = b"\t"
"""JSON has none within its texts."""


class RecordHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a record, as texts."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch."""
    key: str | None = None
    headers: dict[str, str] = {}
    """Those whose value is UTF-8; of two with one name the last."""


class _Frame(msgspec.Struct, frozen=True):
    head: RecordHead = msgspec.field(name="@kafka")


class FramedRecord(NamedTuple):
    """A payload taken apart."""

    head: RecordHead
    value: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Frame).decode


def framed(payload: bytes, place: RecordPlace) -> bytes:
    """Return the payload of a record with what is told of it; a tombstone's value is empty."""
    head = RecordHead(
        place.topic,
        place.partition,
        place.offset,
        place.millis,
        None if place.key is None else place.key.decode("utf-8", "replace"),
        _texts(place.headers) if place.headers else {},
    )
    return _encode(_Frame(head)) + _END + (b"" if place.is_tombstone else payload)


def unframed(payload: bytes) -> FramedRecord | None:
    """Take a payload apart; None where it is no record with its place. Any bytes are accepted."""
    if not payload.startswith(BEGINNING):
        return None
    frame, end, value = payload.partition(_END)
    try:
        return FramedRecord(_decode(frame).head, value) if end else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _texts(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if value is not None:
            try:
                found[name] = value.decode("utf-8")
            except UnicodeDecodeError:
                continue
    return found

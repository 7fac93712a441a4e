"""The record of the buffer: payloads as they came, compressed once.

    value       one zlib stream (RFC 1950) of one MessagePack array of byte strings
    ptingest    version of this format, b"1"
    origin      JSON: peer, tls_subject, may_send; key of a requeued letter, which is alone
    arrived     when the events arrived, nanoseconds since the epoch, in decimal
    count       events in the value, in decimal

Compressed here and not by the Kafka client, because the size is known before the record is
sent, so that no record is larger than the broker takes. ISA-L's level 1 was measured against
its other levels, zlib, and the client's lz4, zstd, snappy and gzip: it needs the least
processor time of all that compress, for sender and reader together; its level 2 is about 1 %
smaller and costs more.

A record is read from a topic to which others may write, so what does not have this form is a
value, ``BrokenRecord``, and no record inflates to more than the reader's limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from isal import isal_zlib

from ptingest.model.origin import MaySend, Origin

FORMAT = b"1"
LEVEL = 1
RUN_BYTES = 1 << 20
"""Bytes of payloads in one record, unless one event alone is larger: about 1 ms of work, and
large enough that what a record costs by itself does not matter."""
OVERHEAD_BYTES = 512
"""At most what Kafka's record batch adds to value and headers: 61 bytes for the batch, lengths,
timestamps and the names of the headers."""

Headers = Sequence[tuple[str, bytes]]


class _OriginHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the header ``origin`` holds."""

    peer: str
    tls_subject: str | None = None
    may_send: tuple[MaySend, ...] | None = None
    key: str | None = None


_encode_payloads = msgspec.msgpack.Encoder().encode
_decode_payloads = msgspec.msgpack.Decoder(list[bytes]).decode
_encode_origin = msgspec.json.Encoder(order="deterministic").encode
_broken: Any = isal_zlib.error
_decode_origin = msgspec.json.Decoder(_OriginHeader, strict=True).decode


class BufferRecord(NamedTuple):
    """One record as it is sent."""

    value: bytes
    headers: Headers
    events: int
    """How many are in it."""

    @property
    def size(self) -> int:
        """Bytes that the broker compares with ``max.message.bytes``; rather too many."""
        return len(self.value) + sum(len(value) for _, value in self.headers) + OVERHEAD_BYTES


class Packed(NamedTuple):
    """What became of a run of payloads."""

    records: list[BufferRecord]
    too_large: list[bytes]
    """Payloads that are larger than the limit even compressed and alone."""


class ReadRecord(NamedTuple):
    """The events of one record."""

    payloads: list[bytes]
    origin: Origin
    arrived_ns: int
    """When they arrived at the receiver, nanoseconds since the epoch."""


class BrokenRecord(NamedTuple):
    """A record that is not of this format; ``detail`` says what was seen and allowed."""

    detail: str


def runs(payloads: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut payloads into runs of at most ``RUN_BYTES``, a larger payload alone; order is kept."""
    yield from _cut(payloads, RUN_BYTES)


def pack(payloads: Sequence[bytes], *, limit_bytes: int, origin: Origin, arrived_ns: int) -> Packed:
    """Make records of ``payloads``, each of at most ``limit_bytes`` in the broker's terms.

    Order is kept. Usually there is one record; what does not fit is divided by what it
    compressed to, so that few sizes are tried.
    """
    packed = Packed([], [])
    waiting = [payloads] if payloads else []
    while waiting:
        run = waiting.pop()
        record = encode(run, origin=origin, arrived_ns=arrived_ns)
        if record.size <= limit_bytes:
            packed.records.append(record)
        elif len(run) == 1:
            packed.too_large.append(run[0])
        else:
            parts = record.size // max(1, limit_bytes) + 1
            pieces = list(_cut(run, sum(map(len, run)) // parts))
            waiting.extend(reversed(pieces if len(pieces) > 1 else [run[:-1], run[-1:]]))
    return packed


def encode(payloads: Sequence[bytes], *, origin: Origin, arrived_ns: int) -> BufferRecord:
    """Make one record of ``payloads``, whatever its size."""
    header = _OriginHeader(origin.peer, origin.tls_subject, origin.may_send, origin.key)
    return BufferRecord(
        value=isal_zlib.compress(_encode_payloads(payloads), LEVEL),
        headers=(
            ("ptingest", FORMAT),
            ("origin", _encode_origin(header)),
            ("arrived", b"%d" % arrived_ns),
            ("count", b"%d" % len(payloads)),
        ),
        events=len(payloads),
    )


def is_buffer_record(headers: Sequence[tuple[str, bytes | None]] | None) -> bool:
    """Whether a record says that it is one of the buffer's, of this or another version."""
    return any(name == "ptingest" for name, _ in headers or ())


def decode(
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]] | None,
    *,
    limit_bytes: int,
) -> ReadRecord | BrokenRecord:
    """Return the events of one record; never raises for anything that a topic may hold.

    ``limit_bytes`` is the most that the value may inflate to.
    """
    named = {name: held or b"" for name, held in headers or ()}
    if (version := named.get("ptingest")) != FORMAT:
        return BrokenRecord(f"the header ptingest is {_shown(version)}, this version reads b'1'")
    arrived_ns, count = _number(named.get("arrived")), _number(named.get("count"))
    if arrived_ns is None:
        return BrokenRecord(f"the header arrived is {_shown(named.get('arrived'))}, no number")
    if count is None:
        return BrokenRecord(f"the header count is {_shown(named.get('count'))}, no number")
    try:
        origin = _decode_origin(named.get("origin", b""))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return BrokenRecord(f"the header origin cannot be read: {error}")
    payloads = _payloads(value or b"", limit_bytes)
    if isinstance(payloads, BrokenRecord):
        return payloads
    if len(payloads) != count:
        return BrokenRecord(f"it holds {len(payloads)} events, its header count says {count}")
    return ReadRecord(
        payloads,
        Origin(
            origin.peer,
            tls_subject=origin.tls_subject,
            may_send=origin.may_send,
            key=origin.key if count == 1 else None,
        ),
        arrived_ns,
    )


def _payloads(value: bytes, limit_bytes: int) -> list[bytes] | BrokenRecord:
    inflating = isal_zlib.decompressobj()
    try:
        packed = inflating.decompress(value, limit_bytes + 1)
    except _broken as error:
        return BrokenRecord(f"its value cannot be inflated: {error}")
    if len(packed) > limit_bytes:
        return BrokenRecord(f"its value inflates to more than {limit_bytes} bytes")
    if not inflating.eof:
        return BrokenRecord("its value is cut short: the zlib stream does not end")
    if inflating.unused_data:
        return BrokenRecord(f"{len(inflating.unused_data)} bytes follow its zlib stream")
    try:
        return _decode_payloads(packed)
    except (msgspec.MsgspecError, RecursionError) as error:
        return BrokenRecord(f"its value is no MessagePack array of byte strings: {error}")


def _cut(payloads: Sequence[bytes], most_bytes: int) -> Iterator[Sequence[bytes]]:
    begin = size = 0
    for at, payload in enumerate(payloads):
        if at > begin and size + len(payload) > most_bytes:
            yield payloads[begin:at]
            begin, size = at, 0
        size += len(payload)
    if begin < len(payloads):
        yield payloads[begin:]


def _number(text: bytes | None) -> int | None:
    # Nineteen digits hold every nanosecond until the year 2286; int() takes other scripts' too.
    if text and len(text) <= 19 and text.isdigit():
        return int(text)
    return None


def _shown(text: bytes | None) -> str:
    return "missing" if text is None else repr(text[:40])

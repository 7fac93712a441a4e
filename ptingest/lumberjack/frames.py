"""The bytes of each Lumberjack frame: layout, encoding, and hints for other protocols.

Every frame begins with a version, ``1`` or ``2``, and a type; all numbers are unsigned,
32 bits, big-endian:

    W  window size   count
    J  JSON          seq, length, JSON                         version 2 only
    D  data          seq, pairs, pairs x (length, key, length, value)   version 1 only
    C  compressed    length, one zlib stream of whole frames
    A  ack           seq                                       server to peer

Nothing here keeps state. Source: PROTOCOL.md in logstash-plugins/logstash-input-beats.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from itertools import starmap
from typing import Final

from ptingest.errors import ProtocolError
from ptingest.lumberjack.inflate import deflate

HEADER_BYTES: Final = 2
COUNTED: Final = struct.Struct(">HI")
"""Header and one number: window, compressed and ack frames."""
NUMBERED: Final = struct.Struct(">HII")
"""Header, seq, and a second number: JSON and data frames."""
ITEM: Final = struct.Struct(">I")
"""Length of one key or value of a data frame."""

VERSION_1: Final = ord("1") << 8
VERSION_2: Final = ord("2") << 8
WINDOW: Final = ord("W")
JSON: Final = ord("J")
DATA: Final = ord("D")
COMPRESSED: Final = ord("C")
ACK: Final = ord("A")

JSON_HEADER: Final = VERSION_2 | JSON
DATA_HEADER: Final = VERSION_1 | DATA

MAX_U32: Final = 0xFFFF_FFFF
_VERSIONS: Final = {1: VERSION_1, 2: VERSION_2}


# --- making frames ----------------------------------------------------------------------


def ack_bytes(version: int, seq: int) -> bytes:
    """An ack frame in the peer's version; seq 0 is the keepalive."""
    return COUNTED.pack(ack_header(version), seq)


def ack_header(version: int) -> int:
    """The two bytes that begin an ack frame, as a number."""
    return _VERSIONS[version] | ACK


def window_frame(version: int, count: int) -> bytes:
    """The frame that announces ``count`` events."""
    return COUNTED.pack(_VERSIONS[version] | WINDOW, count)


def json_frame(seq: int, payload: bytes) -> bytes:
    """One event of version 2."""
    return NUMBERED.pack(JSON_HEADER, seq, len(payload)) + payload


def data_frame(seq: int, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """One event of version 1; the wire allows keys that repeat."""
    parts = [NUMBERED.pack(DATA_HEADER, seq, len(pairs))]
    for pair in pairs:
        for item in pair:
            parts += ITEM.pack(len(item)), item
    return b"".join(parts)


def compressed_frame(version: int, frames: bytes, level: int) -> bytes:
    """``frames`` as one zlib stream; ``level`` is 1 to 9."""
    stream = deflate(frames, level)
    return COUNTED.pack(_VERSIONS[version] | COMPRESSED, len(stream)) + stream


def encode_window(
    payloads: Sequence[bytes],
    first_seq: int = 1,
    compression_level: int = 3,
    version: int = 2,
) -> bytes:
    """A whole window as Filebeat writes it: a window frame, then one compressed frame.

    With ``compression_level`` 0 the events follow uncompressed. Seqs count up from
    ``first_seq`` and wrap after 2^32-1. Version 1 has strings only: each payload must be a
    JSON object, and its values are sent as text.
    """
    numbered = (((first_seq + index) & MAX_U32, payload) for index, payload in enumerate(payloads))
    events = b"".join(starmap(json_frame if version == 2 else _data_frame_of_json, numbered))
    start = window_frame(version, len(payloads))
    if not compression_level or not payloads:
        return start + events
    return start + compressed_frame(version, events, compression_level)


def _data_frame_of_json(seq: int, payload: bytes) -> bytes:
    event = json.loads(payload)
    return data_frame(seq, [(key.encode(), _text(value)) for key, value in event.items()])


def _text(value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode()


# --- reading frames ---------------------------------------------------------------------


def data_frame_payload(frame: bytes) -> bytes:
    """The pairs of one whole data frame as a JSON object, as in version 2.

    Invalid UTF-8 is replaced; of equal keys the last wins. A frame without pairs gives an
    empty payload, which is not an event.
    """
    _header, _seq, count = NUMBERED.unpack_from(frame)
    if not count:
        return b""
    texts = [item.decode(errors="replace") for item in _items(frame, 2 * count)]
    return json.dumps(
        dict(zip(texts[::2], texts[1::2], strict=True)), ensure_ascii=False, separators=(",", ":")
    ).encode()


def _items(frame: bytes, count: int) -> Iterable[bytes]:
    at = NUMBERED.size
    for _ in range(count):
        (length,) = ITEM.unpack_from(frame, at)
        at += ITEM.size
        yield frame[at : at + length]
        at += length


# --- other protocols on this port -------------------------------------------------------

_HTTP_STARTS: Final = tuple(b"GE PO HE PU DE OP PA CO TR PRI PROP".split())
_OTHER_PROTOCOLS: Final[tuple[tuple[tuple[bytes, ...], str, str], ...]] = (
    (
        (b"\x16\x03",),
        "looks_like_tls",
        "looks like TLS; set beats.tls here, or ssl.enabled: false there",
    ),
    (
        (b"PROX", b"\r\n\r\n"),
        "looks_like_proxy",
        "looks like a PROXY header; trust the load balancer (beats.proxy_protocol_from), or "
        "switch the header off there",
    ),
    (
        _HTTP_STARTS,
        "looks_like_http",
        "looks like HTTP (Filebeat set to output.elasticsearch?)",
    ),
    ((b"{",), "looks_like_json", "looks like JSON lines; ship them with a Beat (output.logstash)"),
    ((b"<",), "looks_like_syslog", "looks like syslog; ship it with a Beat (output.logstash)"),
    ((b"SS",), "looks_like_ssh", "looks like SSH; wrong port"),
)


def bytes_to_know_protocol(start: bytes) -> int:
    """How many first bytes identify the protocol: a frame header, but four after PR."""
    return 4 if start[:2] in (b"PR", b"\r\n") else HEADER_BYTES


def bad_header(start: bytes, *, is_first: bool) -> ProtocolError:
    """The error for bytes that begin no frame; for a connection's first bytes with a hint."""
    header = start[:HEADER_BYTES]
    seen = f"0x{header.hex()} ({str(header)[1:]})"
    if header[:1] in (b"1", b"2"):
        return ProtocolError(
            reason="unknown_frame_type", detail=f"unknown frame type, frame begins with {seen}"
        )
    if is_first:
        for starts, reason, hint in _OTHER_PROTOCOLS:
            if start.startswith(starts):
                return ProtocolError(
                    reason=reason, detail=f"not Lumberjack, first bytes are {seen}: {hint}"
                )
    return ProtocolError(
        reason="bad_version",
        detail=f"frame begins with {seen}, only versions 1 and 2 are known",
    )

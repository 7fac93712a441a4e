"""The Lumberjack frames as a declaration, and what windows they mean, in plain code.

This is the second opinion our decoder is held against. The layout is written down for
``construct`` to read, and the rules of windows are applied to a flat list of frames,
without regard to speed, to memory, or to how the bytes arrived.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from construct import (
    Bytes,
    Compressed,
    Construct,
    GreedyBytes,
    GreedyRange,
    Int32ub,
    OneOf,
    Prefixed,
    PrefixedArray,
    Sequence,
    Struct,
    Switch,
    Terminated,
    this,
)

ITEM: Construct = Prefixed(Int32ub, GreedyBytes)
BODIES = {
    b"W": Struct("count" / Int32ub),
    b"J": Struct("seq" / Int32ub, "json" / ITEM),
    b"D": Struct("seq" / Int32ub, "pairs" / PrefixedArray(Int32ub, Sequence(ITEM, ITEM))),
    b"C": Struct("frames" / Prefixed(Int32ub, Compressed(GreedyBytes, "zlib"))),
    b"A": Struct("seq" / Int32ub),
}
FRAME: Construct = Struct(
    "version" / OneOf(Bytes(1), [b"1", b"2"]),
    "type" / OneOf(Bytes(1), list(BODIES)),
    "body" / Switch(this.type, BODIES),
)
STREAM: Construct = Struct("frames" / GreedyRange(FRAME), Terminated)


U32 = (2**32 - 1).to_bytes(4, "big")


class ExpectedWindow(NamedTuple):
    """A window as the description understands it; an event is bytes (v2) or pairs (v1)."""

    version: int
    events: list[bytes | dict[str, str]]
    last_seq: int


def frame(version: int, kind: bytes, **body: Any) -> bytes:
    """The bytes of one frame, made from the declaration."""
    built: bytes = FRAME.build({"version": b"%d" % version, "type": kind, "body": body})
    return built


def compressed(version: int, frames: bytes, level: int = 3) -> bytes:
    """A compressed frame made without our code and with the standard library's zlib."""
    stream = zlib.compress(frames, level)
    return b"%dC" % version + len(stream).to_bytes(4, "big") + stream


def flat_frames(wire: bytes) -> Iterator[Any]:
    """The frames of a stream in order, those inside compressed frames in their place."""
    for one in STREAM.parse(wire).frames:
        if one.type == b"C":
            yield from STREAM.parse(one.body.frames).frames
        else:
            yield one


def expected_windows(wire: bytes) -> list[ExpectedWindow]:
    """The complete windows of a whole, valid stream, each as the ack rules see it."""
    windows: list[ExpectedWindow] = []
    announced: int | None = None
    version, last_seq, events = 0, 0, list[bytes | dict[str, str]]()
    for one in flat_frames(wire):
        if one.type == b"W":
            if events:
                windows.append(ExpectedWindow(version, events, last_seq))
            announced, version, events = one.body.count, int(one.version), []
            if not announced:
                windows.append(ExpectedWindow(version, [], 0))
            continue
        version, last_seq = int(one.version), one.body.seq
        events.append(one.body.json if one.type == b"J" else _strings(one.body.pairs))
        if len(events) >= (announced or 1):
            windows.append(ExpectedWindow(version, events, last_seq))
            events = []
    return windows


def _strings(pairs: Any) -> dict[str, str]:
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in pairs}


# --- short names, so that a stream fits on a line of a table -------------------------------


def w(count: int, version: int = 2) -> bytes:
    """A window frame."""
    return frame(version, b"W", count=count)


def j(seq: int, payload: bytes = b'{"a":1}') -> bytes:
    """A JSON frame."""
    return frame(2, b"J", seq=seq, json=payload)


def d(seq: int, *pairs: tuple[bytes, bytes]) -> bytes:
    """A data frame."""
    return frame(1, b"D", seq=seq, pairs=list(pairs or [(b"line", b"x")]))


def c(*frames: bytes, version: int = 2) -> bytes:
    """A compressed frame around whole frames."""
    return compressed(version, b"".join(frames))


def raw_c(stream: bytes) -> bytes:
    """A compressed frame around anything."""
    return b"2C" + len(stream).to_bytes(4, "big") + stream

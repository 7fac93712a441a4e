"""The line of a large dead letter, made piece by piece while it is written.

As one text it could need several times the memory of its payload.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Iterator

LARGE_BYTES = 1 << 20
"""A larger payload is written as base64, whatever it holds."""
PIECE_BYTES = 3 << 19
"""Of a payload; a multiple of three, so that pieces of base64 can be put together."""
_NO_PAYLOAD = b'"payload":""}\n'


def pieces_of(bare: bytes, payload: bytes) -> tuple[int, Iterable[bytes]]:
    """Return the size and the pieces of a line; ``bare`` is the line with an empty payload."""
    head = bare.removesuffix(_NO_PAYLOAD) + b'"payload_base64":"'
    tail = b'"}\n'
    encoded = (
        base64.b64encode(payload[start : start + PIECE_BYTES])
        for start in range(0, len(payload), PIECE_BYTES)
    )
    size = len(head) + 4 * -(-len(payload) // 3) + len(tail)
    return size, itertools.chain((head,), encoded, (tail,))


def gathered(lines: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """Join small pieces of many lines, so that each write is a large one."""
    waiting: list[bytes] = []
    size = 0
    for piece in itertools.chain.from_iterable(lines):
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)

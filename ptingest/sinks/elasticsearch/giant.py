"""The body of a document that has a request to itself for its size, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

PIECE_BYTES = 1 << 20
"""What a giant is cut into, and the size from which a document is one."""


def pieces_of_giant(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Cut what would be joined: action line in some parts, body, newline.

    A body of a hundred MiB is not there twice then. The first piece is a large one, for by it
    the client knows whether to compress.
    """
    *head, body, newline = parts
    yield b"".join((*head, body[:PIECE_BYTES]))
    for start in range(PIECE_BYTES, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
    yield newline

"""Cuts the payloads of a window into chunks, each small enough for one run of the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ptingest.model.document import LARGE_BYTES

CHUNK_EVENTS = 256
"""Events between two checkpoints of the event loop: 3 to 5 ms of work."""
CHUNK_BYTES = LARGE_BYTES
"""Bytes of a chunk with several events, so that the next checkpoint is never far away; a
larger event is a chunk of its own."""


def chunks(payloads: Sequence[bytes], most_bytes: int = CHUNK_BYTES) -> Iterable[Sequence[bytes]]:
    """Cut payloads into runs of at most CHUNK_EVENTS and ``most_bytes``, larger ones alone."""
    for start in range(0, len(payloads), CHUNK_EVENTS):
        chunk = payloads[start : start + CHUNK_EVENTS]
        if sum(map(len, chunk)) <= most_bytes:
            yield chunk
        else:
            yield from _by_bytes(chunk, most_bytes)


def _by_bytes(payloads: Sequence[bytes], most_bytes: int) -> Iterable[Sequence[bytes]]:
    run: list[bytes] = []
    size = 0
    for payload in payloads:
        if run and size + len(payload) > most_bytes:
            yield run
            run, size = [], 0
        run.append(payload)
        size += len(payload)
    if run:
        yield run

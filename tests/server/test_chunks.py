"""A window is cut into chunks that keep its events, their order, and their limits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.server.chunks import CHUNK_BYTES, CHUNK_EVENTS, chunks


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 900, CHUNK_BYTES // 3, CHUNK_BYTES + 1]), max_size=40))
def test_chunks_keep_every_payload_in_order_and_small(sizes: list[int]) -> None:
    payloads = [bytes(size) for size in sizes]

    cut = [list(chunk) for chunk in chunks(payloads)]

    assert [payload for chunk in cut for payload in chunk] == payloads
    for chunk in cut:
        assert 0 < len(chunk) <= CHUNK_EVENTS
        assert len(chunk) == 1 or sum(map(len, chunk)) <= CHUNK_BYTES


def test_many_small_payloads_make_full_chunks() -> None:
    assert [len(chunk) for chunk in chunks([b"x"] * 600)] == [256, 256, 88]

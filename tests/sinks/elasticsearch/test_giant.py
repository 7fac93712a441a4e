"""A document that has a request to itself."""

from __future__ import annotations

import pytest

from ptingest.sinks.elasticsearch.bulk import bulk_pieces
from ptingest.sinks.elasticsearch.giant import PIECE_BYTES
from tests.sinks.elasticsearch.material import document


@pytest.mark.parametrize("over", [-1, 0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 5])
def test_a_giant_comes_in_pieces_that_are_never_larger_than_a_stretch(over: int) -> None:
    giant = document(body=b'"' + b"x" * (PIECE_BYTES + over - 2) + b'"', key="k1")

    pieces = list(bulk_pieces([giant], keyed=True))

    head = b'{"create":{"_index":"logs-django-pt","_id":"k1"}}\n'
    assert b"".join(pieces) == head + giant.body + b"\n"
    assert max(map(len, pieces)) <= len(head) + PIECE_BYTES + 1
    assert len(pieces[0]) >= PIECE_BYTES - 1, "by the first one it is seen that it is large"

from __future__ import annotations

import pytest

from ptingest.dead_letters.pieces import LARGE_BYTES, PIECE_BYTES, gathered
from ptingest.dead_letters.queue import decode_letter, letter_pieces
from ptingest.model.outcome import DeadLetter

ID, TIME = "0" * 26, "2025-01-02T03:04:05.678Z"


@pytest.mark.parametrize("size", [0, 10, LARGE_BYTES, LARGE_BYTES + 1, PIECE_BYTES * 2 + 1])
@pytest.mark.parametrize("byte", [b"x", b"\x01", b"\xff"])
def test_a_large_letter_is_read_as_it_was_written_and_never_whole(size: int, byte: bytes) -> None:
    letter = DeadLetter("refused", "said", byte * size, "django", "192.0.2.7:1", key="k")

    length, pieces = letter_pieces(letter, letter_id=ID, time=TIME)
    written = list(gathered([pieces]))

    stored = decode_letter(b"".join(written))
    assert stored is not None
    assert stored.letter == letter
    assert sum(map(len, written)) == length
    # As text a byte of control takes six, so a line may be longer than its payload.
    assert max(map(len, written)) <= max(6 * LARGE_BYTES + 1000, 2 * PIECE_BYTES)


def test_small_lines_are_written_together() -> None:
    assert list(gathered([[b"a\n"], [b"b", b"\n"]])) == [b"a\nb\n"]

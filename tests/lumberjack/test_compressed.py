"""One compressed frame: verified in stretches, held where it is small, else inflated twice."""

from __future__ import annotations

import pytest

from ptingest.errors import FrameTooLarge, ProtocolError
from ptingest.lumberjack.compressed import CompressedFrame
from ptingest.lumberjack.inflate import STEP_BYTES
from ptingest.lumberjack.window import Limits
from tests.support.feeding import SMALL
from tests.support.wire_description import c, j

EVENT = j(1, bytes(1000))


def verified(wire: bytes, *, already: int = 0) -> CompressedFrame:
    frame = CompressedFrame()
    frame.verify(bytearray(wire), len(wire), SMALL, already)
    return frame


def test_a_small_frame_is_held_after_its_verification() -> None:
    frame = verified(c(EVENT))

    assert frame.data == EVENT
    assert frame.held_bytes == len(EVENT)
    frame.consume(len(EVENT))
    assert frame.held_bytes == 0


def test_a_large_frame_is_inflated_again_bit_by_bit() -> None:
    frames = EVENT * 6
    frame = verified(c(frames))
    assert frame.data == b""

    pieces = []
    while frame.read_more(len(EVENT), SMALL.part_bytes):
        pieces.append(frame.data[frame.at :])
        frame.consume(len(pieces[-1]))

    assert b"".join(pieces) == frames
    assert max(map(len, pieces)) <= SMALL.part_bytes
    assert frame.held_bytes == 0


def test_a_verification_in_stretches_says_when_it_is_done() -> None:
    wire = bytearray(c(j(1, bytes(2 * STEP_BYTES))))
    limits = Limits(stretch_bytes=1)
    frame = CompressedFrame()

    worked = [frame.verify(wire, len(wire), limits, 0)]
    while frame.is_verifying:
        worked.append(frame.verify(wire, len(wire), limits, 0))

    assert len(worked) > 2
    assert sum(worked) == len(frame.data) == 2 * STEP_BYTES + 10


def test_a_frame_that_ends_inside_one_of_its_frames_is_refused() -> None:
    frame = verified(c(EVENT[:-1]))

    with pytest.raises(ProtocolError) as raised:
        frame.read_more(len(EVENT), SMALL.part_bytes)

    assert raised.value.reason == "truncated_frame"


def test_what_came_before_counts_against_the_window() -> None:
    with pytest.raises(FrameTooLarge):
        verified(c(EVENT), already=SMALL.window_bytes)


def test_nothing_is_held_once_it_is_forgotten() -> None:
    frame = verified(c(EVENT * 6))
    frame.read_more(1, SMALL.part_bytes)

    frame.forget()

    assert (frame.held_bytes, frame.data) == (0, b"")

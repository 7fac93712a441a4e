"""The size of a frame is known as soon as the bytes that announce it are there."""

from __future__ import annotations

import pytest

from ptingest.errors import ProtocolError
from ptingest.lumberjack.measure import Measure
from tests.support.wire_description import c, d, j, w


def measure_of(wire: bytes) -> Measure:
    """A measure that was asked each time its ``needed`` bytes had arrived, one by one."""
    measure = Measure(frame_bytes=1000, pairs=4)
    for size in range(1, len(wire) + 1):
        if size == measure.needed:
            measure.look(wire[:size], 0, is_inner=False)
    return measure


@pytest.mark.parametrize(
    "frame",
    [w(3), j(1), j(1, b""), c(j(1)), d(1), d(1, (b"", b""), (b"key", b"value"))],
    ids=["window", "JSON", "empty JSON", "compressed", "data", "data with two pairs"],
)
def test_the_last_byte_of_a_frame_is_the_one_that_is_needed(frame: bytes) -> None:
    assert measure_of(frame).needed == len(frame)
    assert measure_of(frame[:-1]).needed == len(frame)


def test_a_frame_is_looked_at_once_for_each_thing_it_announces() -> None:
    frame = d(1, (b"key", b"v" * 900))
    measure = Measure(frame_bytes=1000, pairs=4)
    looks = []

    for size in range(1, len(frame) + 1):
        if size == measure.needed:
            measure.look(frame[:size], 0, is_inner=False)
            looks.append(size)

    # Header, seq and pairs, key length, key, value length, value.
    assert looks == [2, 10, 14, 17, 21, 921]


def test_the_next_frame_begins_with_its_header() -> None:
    measure = measure_of(d(1)[:12])

    measure.next_frame()

    assert measure.needed == 2


def test_a_data_frame_may_not_grow_above_the_limit_item_by_item() -> None:
    with pytest.raises(ProtocolError) as raised:
        measure_of(d(1, (b"k" * 400, b"v" * 400), (b"k", b"v" * 200)))

    assert raised.value.reason == "frame_too_large"


def test_only_the_first_bytes_of_a_connection_may_be_a_stranger_s() -> None:
    measure = measure_of(w(1))
    measure.next_frame()

    with pytest.raises(ProtocolError) as raised:
        measure.look(b"GET ", 0, is_inner=False)

    assert raised.value.reason == "bad_version"

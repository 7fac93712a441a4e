"""The bytes we make are the ones the description reads, and Filebeat's own."""

from __future__ import annotations

import json
import zlib

import pytest

from ptingest.lumberjack.frames import (
    ack_bytes,
    bad_header,
    bytes_to_know_protocol,
    compressed_frame,
    data_frame,
    data_frame_payload,
    encode_window,
    json_frame,
    window_frame,
)
from tests.support.wire_description import STREAM, flat_frames, frame


def test_the_worked_example_of_the_protocol_text() -> None:
    example = "325700000001324a00000001000000077b2261223a317d"

    assert encode_window([b'{"a":1}'], compression_level=0).hex() == example
    assert ack_bytes(2, 1).hex() == "324100000001"


@pytest.mark.parametrize(
    ("ours", "described"),
    [
        (window_frame(1, 7), frame(1, b"W", count=7)),
        (window_frame(2, 2**32 - 1), frame(2, b"W", count=2**32 - 1)),
        (json_frame(9, b""), frame(2, b"J", seq=9, json=b"")),
        (json_frame(2**32 - 1, b"\0\xff"), frame(2, b"J", seq=2**32 - 1, json=b"\0\xff")),
        (data_frame(3, []), frame(1, b"D", seq=3, pairs=[])),
        (
            data_frame(3, [(b"k", b"v"), (b"", b"\xff")]),
            frame(1, b"D", seq=3, pairs=[(b"k", b"v"), (b"", b"\xff")]),
        ),
        (ack_bytes(1, 5), frame(1, b"A", seq=5)),
        (ack_bytes(2, 0), frame(2, b"A", seq=0)),
    ],
)
def test_each_frame_is_laid_out_as_described(ours: bytes, described: bytes) -> None:
    assert ours == described


@pytest.mark.parametrize("level", range(1, 10))
def test_a_compressed_frame_holds_one_plain_zlib_stream_at_every_level(level: int) -> None:
    frames = json_frame(1, b'{"a":1}') * 50

    (one,) = STREAM.parse(compressed_frame(2, frames, level)).frames

    assert one.type == b"C"
    assert one.body.frames == frames
    assert zlib.decompress(compressed_frame(1, frames, level)[6:]) == frames


def test_a_window_is_one_window_frame_and_one_compressed_frame() -> None:
    outer = STREAM.parse(encode_window([b"{}", b"[]"])).frames

    assert [one.type for one in outer] == [b"W", b"C"]


def test_seqs_count_up_from_the_first_and_wrap() -> None:
    wire = encode_window([b"{}"] * 3, first_seq=2**32 - 2)

    events = [one for one in flat_frames(wire) if one.type == b"J"]

    assert [one.body.seq for one in events] == [2**32 - 2, 2**32 - 1, 0]


def test_an_empty_window_is_only_its_window_frame() -> None:
    assert encode_window([]) == frame(2, b"W", count=0)


def test_version_1_carries_the_text_of_each_value() -> None:
    event = {"line": "é", "offset": 5, "deep": {"a": [1, None]}}

    wire = encode_window([json.dumps(event).encode()], version=1, compression_level=0)
    _, one = STREAM.parse(wire).frames

    assert dict(one.body.pairs) == {
        b"line": "é".encode(),
        b"offset": b"5",
        b"deep": b'{"a": [1, null]}',
    }


def test_a_data_frame_comes_back_as_an_object() -> None:
    payload = data_frame_payload(data_frame(1, [(b"line", "é".encode()), (b"n", b"5")]))

    assert payload == '{"line":"é","n":"5"}'.encode()


@pytest.mark.parametrize(
    ("start", "enough"), [(b"G", 2), (b"GE", 2), (b"PR", 4), (b"\r\n", 4), (b"{", 2)]
)
def test_a_stranger_is_known_after_as_few_bytes_as_that_takes(start: bytes, enough: int) -> None:
    assert bytes_to_know_protocol(start) == enough


def test_hints_are_for_first_bytes_only() -> None:
    assert bad_header(b"GET ", is_first=True).reason == "looks_like_http"
    assert bad_header(b"GET ", is_first=False).reason == "bad_version"

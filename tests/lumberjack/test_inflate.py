"""Inflating what a stranger compressed: verified, capped, with isal and without."""

from __future__ import annotations

import subprocess
import sys
import zlib
from random import Random

import pytest

from ptingest.errors import FrameTooLarge, ProtocolError
from ptingest.lumberjack.inflate import STEP_BYTES, Inflation, deflate
from tests.support.feeding import inflate

TEXT = b'{"message":"GET / 200"}' * 4000
NOISE = Random(5).randbytes(3 * STEP_BYTES)


def held(stream: bytes, *, hold: int = 1 << 24, limit: int = 1 << 24) -> bytes | None:
    return inflate(stream, hold=hold, limit=limit).data


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("data", [b"x", TEXT, NOISE], ids=["one byte", "text", "noise"])
def test_what_was_deflated_comes_back(data: bytes, level: int) -> None:
    assert held(deflate(data, level)) == data
    assert held(zlib.compress(data, level)) == data


def test_what_is_more_than_to_be_held_is_only_counted() -> None:
    stream = zlib.compress(NOISE)

    inflated = inflate(stream, hold=len(NOISE) - 1, limit=len(NOISE))

    assert inflated.data is None
    assert inflated.size == len(NOISE)


@pytest.mark.parametrize("excess", [1, 1000, STEP_BYTES])
def test_more_than_the_limit_is_refused_at_the_first_byte_too_many(excess: int) -> None:
    limit = len(NOISE) - excess

    with pytest.raises(FrameTooLarge) as raised:
        held(zlib.compress(NOISE), limit=limit)

    assert raised.value.declared == limit + 1


def test_a_stream_of_exactly_the_limit_is_taken() -> None:
    assert held(zlib.compress(TEXT), limit=len(TEXT), hold=len(TEXT)) == TEXT


@pytest.mark.parametrize("cut", [1, 4, 5, 100])
def test_a_cut_stream_is_truncated_wherever_it_is_cut(cut: int) -> None:
    with pytest.raises(ProtocolError) as raised:
        held(zlib.compress(TEXT)[:-cut])

    assert raised.value.reason == "truncated_zlib"


def test_junk_after_the_stream_is_seen() -> None:
    stream = zlib.compress(TEXT)

    assert not inflate(stream, hold=1 << 20, limit=1 << 20).has_junk
    assert inflate(stream + b"j", hold=1 << 20, limit=1 << 20).has_junk
    assert inflate(stream.ljust(1 << 20, b"j"), hold=1, limit=1 << 20).has_junk


def test_a_window_larger_than_deflate_has_is_refused_with_and_without_isal() -> None:
    stream = zlib.compress(TEXT)
    header = 0x8800 | 31 - 0x8800 % 31

    with pytest.raises(ProtocolError) as raised:
        held(header.to_bytes(2, "big") + stream[2:])

    assert raised.value.reason == "not_zlib"


def test_a_preset_dictionary_is_refused() -> None:
    compressor = zlib.compressobj(zdict=b"message")
    stream = compressor.compress(TEXT) + compressor.flush()

    with pytest.raises(ProtocolError) as raised:
        held(stream)

    assert raised.value.reason == "bad_zlib"


@pytest.mark.parametrize("most", [1000, 77_777, 1 << 24])
def test_a_pass_gives_at_most_what_was_asked_and_all_of_it_in_the_end(most: int) -> None:
    inflation = Inflation(zlib.compress(NOISE))

    pieces = list(iter(lambda: inflation.read(most), b""))

    assert b"".join(pieces) == NOISE
    assert max(map(len, pieces)) <= most
    assert inflation.is_done


def test_without_isal_the_standard_library_does_the_same() -> None:
    program = """
import sys, zlib
sys.modules["isal"] = None
from ptingest.lumberjack import inflate
from ptingest.lumberjack.inflate import deflate
data = b'{"message":"x"}' * 90000
stream = deflate(data, 3)
assert stream == zlib.compress(data, 3)
whole = dict(hold=1 << 24, limit=1 << 24, setting="x")
assert inflate.Verification(stream, **whole).advance(1 << 24).data == data
for broken in (stream[:-1], stream[:-1] + b"x", stream[:9] + b"xx" + stream[11:]):
    try:
        inflate.Verification(broken, **whole).advance(1 << 24)
    except inflate.ProtocolError as error:
        print(error.reason)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.stdout.split() == ["truncated_zlib", "bad_zlib", "bad_zlib"]

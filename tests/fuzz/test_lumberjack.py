"""Properties of the server side decoder: on any valid stream it agrees with the description,
on any other it waits or raises ProtocolError, within its limits.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.errors import ProtocolError
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import ODDITIES, Limits, Window
from tests.support.feeding import SMALL, feed, joined
from tests.support.wire_description import ExpectedWindow, compressed, expected_windows, frame

SEQS = st.integers(0, 5) | st.integers(0, 2**32 - 1)
PAYLOADS = st.binary(max_size=60) | st.just(b'{"message":"x"}') | st.binary(max_size=700)
PAIRS = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=90)), max_size=8)


@st.composite
def events(draw: st.DrawFn, version: int) -> bytes:
    seq = draw(SEQS)
    if version == 1:
        return frame(1, b"D", seq=seq, pairs=draw(PAIRS))
    return frame(2, b"J", seq=seq, json=draw(PAYLOADS))


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Stretches of one version: full, short and overfull windows, none, W 0; any grouping."""
    wire = b""
    for version in draw(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=3)):
        frames = [] if not wire and draw(st.booleans()) else [frame(version, b"W", count=2)]
        for _ in range(draw(st.integers(1, 4))):
            frames += draw(st.lists(events(version), max_size=5))
            frames += draw(
                st.lists(st.just(frame(version, b"W", count=draw(st.integers(0, 4)))), max_size=1)
            )
        if not frames:
            continue
        # The first frame is bare: inside a compressed frame it could change the version of an
        # open window, which only a bare window frame may.
        wire += b"".join(frames[:1])
        cuts = sorted({1, len(frames), *draw(st.lists(st.integers(1, len(frames)), max_size=4))})
        for start, stop in pairwise(cuts):
            run = b"".join(frames[start:stop])
            wire += (
                compressed(version, run, draw(st.sampled_from([0, 1, 9])))
                if draw(st.booleans())
                else run
            )
    return wire


def split(draw: st.DrawFn, wire: bytes) -> list[bytes]:
    """``wire`` in reads, cut at any places; now and then at every byte."""
    if len(wire) < 400 and draw(st.booleans()):
        return [wire[at : at + 1] for at in range(len(wire))]
    cuts = draw(st.lists(st.integers(0, len(wire)), max_size=12))
    return [wire[start:stop] for start, stop in pairwise(sorted({0, len(wire), *cuts}))]


def as_expected(window: Window) -> ExpectedWindow:
    if window.version == 1:
        return ExpectedWindow(
            1, [json.loads(text) if text else {} for text in window.payloads], window.last_seq
        )
    return ExpectedWindow(2, list(window.payloads), window.last_seq)


@pytest.mark.timeout(30)
@settings(deadline=None, max_examples=80)
@given(st.data())
def test_every_valid_conversation_means_what_the_description_says(data: st.DataObject) -> None:
    wire = data.draw(conversations())
    limits = Limits(part_bytes=data.draw(st.sampled_from([64, 500, 1 << 20])))
    connection = ServerConnection(limits)

    windows = joined(feed(connection, *split(data.draw, wire)))

    assert [as_expected(window) for window in windows] == expected_windows(wire)
    assert {name for window in windows for name in window.odd} <= set(ODDITIES)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid conversation with some bytes changed, removed, doubled or made up."""
    wire = bytearray(draw(conversations()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire)))
        length = draw(st.integers(0, 12))
        made_up = draw(
            st.binary(max_size=8) | st.sampled_from([b"2W", b"2C", b"2J", b"1D", b"\xff" * 4])
        )
        match draw(st.sampled_from(["change", "remove", "double"])):
            case "change":
                wire[at : at + len(made_up)] = made_up
            case "remove":
                del wire[at : at + length]
            case _:
                wire[at:at] = wire[at : at + length]
    return bytes(wire)


@pytest.mark.timeout(30)
@settings(deadline=None, max_examples=120)
@given(st.data())
def test_no_bytes_make_it_raise_anything_else_or_hold_more_than_it_may(
    data: st.DataObject,
) -> None:
    wire = data.draw(mutated() | st.binary(max_size=300))
    connection = ServerConnection(SMALL)
    # One frame that waits, one window's inflated events, one part being handed out.
    most = SMALL.frame_bytes + 16 + 3 * SMALL.part_bytes + SMALL.frame_bytes

    error: ProtocolError | None = None
    try:
        for piece in split(data.draw, wire):
            connection.receive_data(piece)
            while (window := connection.next_window()) is not None:
                assert len(window.payloads) <= SMALL.window_events
                assert max(map(len, window.payloads), default=0) <= 6 * SMALL.frame_bytes
            assert connection.received_bytes <= most
        connection.receive_eof()
        while connection.next_window() is not None:
            pass
    except ProtocolError as raised:
        error = raised

    assert error is None or error.reason
    assert connection.received_bytes == 0
    assert not connection.is_frame_open

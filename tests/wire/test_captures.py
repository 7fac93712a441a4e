"""Every recorded window of every real Beat comes out as exactly the recorded events."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from ptingest.errors import ProtocolError
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits
from tests.support.feeding import acks, feed, in_steps, joined
from tests.wire.captures import NAMES, load

SMALL_ONES = ["f717-partial.conn1", "f717-c9-p2-long.conn1", "f717-worker2.conn1"]


def test_all_recordings_are_here() -> None:
    assert len(NAMES) == 28


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_received_whole_gives_the_recorded_events(name: str) -> None:
    capture = load(name)

    windows = feed(ServerConnection(Limits()), capture.wire)

    assert [window.payloads for window in windows] == capture.windows
    assert all(window.is_last and window.version == 2 for window in windows)
    assert [window.announced for window in windows] == [len(one) for one in capture.windows]
    assert not any(window.odd for window in windows)


@pytest.mark.parametrize("name", NAMES)
def test_our_acks_are_those_the_recording_beat_accepted(name: str) -> None:
    capture = load(name)

    windows = feed(ServerConnection(Limits()), capture.wire)

    assert acks(windows)[: len(capture.acked)] == capture.acked
    assert acks(windows) == [len(one) for one in capture.windows]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_cut_anywhere_gives_the_same_events_in_parts_too(name: str) -> None:
    capture = load(name)
    randomness = random.Random(name)
    cuts = sorted(randomness.sample(range(1, len(capture.wire)), 200))
    pieces = [capture.wire[a:b] for a, b in pairwise([0, *cuts, len(capture.wire)])]

    windows = feed(ServerConnection(Limits(part_bytes=20_000)), *pieces)

    assert [window.payloads for window in joined(windows)] == capture.windows
    assert acks(windows) == [len(one) for one in capture.windows]


@pytest.mark.parametrize("name", SMALL_ONES)
def test_a_recording_byte_by_byte_gives_the_same_events(name: str) -> None:
    capture = load(name)

    windows = feed(ServerConnection(Limits()), *in_steps(capture.wire, 1))

    assert [window.payloads for window in windows] == capture.windows


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_ends_whole_or_says_that_it_was_cut(name: str) -> None:
    capture = load(name)
    connection = ServerConnection(Limits())
    feed(connection, capture.wire)
    connection.receive_eof()

    if not capture.unfinished_bytes:
        assert connection.next_window() is None
        return
    with pytest.raises(ProtocolError) as raised:
        connection.next_window()
    assert raised.value.reason == "truncated"

"""What real Beats once sent, sent again over a socket to a whole worker."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import orjson
import pytest

from tests.support.raw_peer import RawPeer, peer_of
from tests.support.serving import Server, serving
from tests.wire.captures import NAMES, Capture, load

pytestmark = pytest.mark.timeout(60)  # thousands of events, twice


async def replay(server: Server, peer: RawPeer, capture: Capture, seed: int | None) -> None:
    """Send a recording, cut at random points where a seed is given, and await its acks."""
    wire = capture.wire[: len(capture.wire) - capture.unfinished_bytes]
    cuts = [len(wire)]
    if seed is not None:
        dice = random.Random(seed)
        cuts = sorted({dice.randrange(1, len(wire)) for _ in range(30)} | {len(wire)})
    begin = 0
    for end in cuts:
        await peer.send(wire[begin:end])
        begin = end
    acks = await peer.acks(len(capture.windows))

    # The recorder acked the same numbers, wherever it acked at all.
    assert [seq for _, seq in acks] == [len(window) for window in capture.windows]
    recorded = [seq for seq in capture.acked if seq in {len(w) for w in capture.windows}]
    assert [seq for _, seq in acks][: len(recorded)] == recorded[: len(acks)]


@pytest.mark.parametrize("name", NAMES)
async def test_every_window_is_acked_and_every_event_stored_or_recognised(
    name: str, tmp_path: Path
) -> None:
    capture = load(name)
    events = [payload for window in capture.windows for payload in window]
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await replay(server, peer, capture, seed=len(name))

        stored = sorted(one.payload for one in server.sink.documents)
        assert server.letters() == []
    assert stored == sorted(events)


async def test_a_beat_that_was_killed_and_started_again_stores_nothing_twice(
    tmp_path: Path,
) -> None:
    first, second = load("f9dev-restart.conn1"), load("f9dev-restart.conn2")
    async with serving(tmp_path) as server:
        for number, capture in enumerate((first, second)):
            async with peer_of(server) as peer:
                await replay(server, peer, capture, seed=number)
        stored = [orjson.loads(one.body) for one in server.sink.documents]

    assert {event["service"] for event in stored} >= {"django", "celerybeat", "nginx", "react"}
    places = Counter((event["log"]["file"]["path"], event["log"]["offset"]) for event in stored)
    assert set(places.values()) == {1}
    sent_again = {place_of(payload) for window in second.windows for payload in window}
    assert {place_of(payload) for window in first.windows for payload in window} <= sent_again


def place_of(payload: bytes) -> tuple[str, int]:
    log = orjson.loads(payload)["log"]
    return log["file"]["path"], log["offset"]

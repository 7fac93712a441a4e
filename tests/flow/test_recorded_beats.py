"""What real Beats once sent, sent again over a socket to a whole worker."""

from __future__ import annotations

import random
import re
from pathlib import Path

import orjson
import pytest

from tests.flow.harness import RawPeer, Server, peer_of, serving
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


def has_own_time(payload: bytes) -> bool:
    return re.search(r"\|\d{4}-\d\d-\d\d ", orjson.loads(payload)["message"]) is not None


async def test_a_restarted_beat_is_recognised_where_the_line_has_its_own_time(
    tmp_path: Path,
) -> None:
    first, second = load("f9dev-restart.conn1"), load("f9dev-restart.conn2")
    async with serving(tmp_path) as server:
        for number, capture in enumerate((first, second)):
            async with peer_of(server) as peer:
                await replay(server, peer, capture, seed=number)
        messages: dict[tuple[str, int], int] = {}
        for one in server.sink.documents:
            event = orjson.loads(one.body)
            place = (event["log"]["file"]["path"], event["log"]["offset"])
            messages[place] = messages.get(place, 0) + 1

    again = {
        (event["log"]["file"]["path"], event["log"]["offset"]): has_own_time(payload)
        for window in first.windows
        for payload in window
        for event in [orjson.loads(payload)]
    }
    once = [place for place, own_time in again.items() if own_time]
    twice = [place for place, own_time in again.items() if not own_time]
    assert once
    assert {messages[place] for place in once} == {1}
    # nginx lines are keyed by the reading time, which a restart changes.
    assert {messages[place] for place in twice} == {2}

"""Small batches: who waits, who never does, how long; by itself, and in a running lane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ptingest.delivery.batch import LARGE_ENOUGH_DOCUMENTS
from ptingest.delivery.linger import WAIT_SECONDS, Linger
from ptingest.settings.sinks import LaneSettings
from tests.delivery.running_lane import RunningLane, running_lane
from tests.fakes.clock import run_in_virtual_time
from tests.fakes.sink import ScriptedSink, Window

DUE_SECONDS = LaneSettings().batch.max_age_seconds


def test_the_first_leaves_at_once() -> None:
    assert Linger().sent_at(["a"]) < 0


def test_the_next_of_somebody_else_waits_for_company_behind_the_last() -> None:
    linger = Linger()
    linger.note_sent(["a", "b"], 100.0)

    assert linger.sent_at(["c", "d"]) == 100.0 + WAIT_SECONDS


def test_who_comes_back_takes_all_along_at_once() -> None:
    linger = Linger()
    linger.note_sent(["a", "b"], 100.0)

    assert linger.sent_at(["c", "b"]) <= 100.0


def test_only_the_last_batch_counts() -> None:
    linger = Linger()
    linger.note_sent(["a"], 100.0)
    linger.note_sent(["b"], 100.01)

    assert linger.sent_at(["a"]) == 100.01 + WAIT_SECONDS


def test_what_nobody_sent_waits_for_nobody() -> None:
    linger = Linger()
    linger.note_sent(["a"], 100.0)

    assert linger.sent_at([""]) <= 100.0


# --- in a running lane --------------------------------------------------------------------


@asynccontextmanager
async def road_with_a_write_under_way(
    folder: Path,
) -> AsyncIterator[tuple[RunningLane, Window, float]]:
    """A running_lane, the small window whose write does not end, and when that had begun."""
    async with running_lane(ScriptedSink(), folder) as r:
        r.sink.hold()
        window = await r.send(3)
        await r.sink.wait_for_writes(1)  # a first one never waits
        yield r, window, r.clock.monotonic()
        r.sink.let_go()


def test_small_batches_wait_for_company_while_a_write_is_under_way(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road_with_a_write_under_way(tmp_path) as (r, first, _):
            windows = [first, *[await r.send(3) for _ in range(5)]]
            for _ in range(10):
                await asyncio.sleep(0)  # no race: virtual time
            assert len(r.sink.writes) == 1

            r.sink.let_go()
            for window in windows:
                await window.done.wait()

            assert [len(write.documents) for write in r.sink.writes] == [3, 15]

    run_in_virtual_time(scenario())


def test_a_batch_that_is_worth_a_write_waits_for_no_company(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road_with_a_write_under_way(tmp_path) as (r, _, began):
            await r.send(LARGE_ENOUGH_DOCUMENTS)
            await r.sink.wait_for_writes(2)

            assert r.clock.monotonic() - began < DUE_SECONDS / 2

    run_in_virtual_time(scenario())


def test_company_is_waited_for_no_longer_than_until_a_batch_is_due(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road_with_a_write_under_way(tmp_path) as (r, _, began):
            await r.send(3)
            await r.sink.wait_for_writes(2)

            waited = r.clock.monotonic() - began
            assert DUE_SECONDS / 2 < waited < DUE_SECONDS * 2

    run_in_virtual_time(scenario())


def test_a_drain_waits_for_no_company(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road_with_a_write_under_way(tmp_path) as (r, _, began):
            await r.send(3)
            draining = asyncio.create_task(r.lane.drain(began + 60))
            await r.sink.wait_for_writes(2)

            assert r.clock.monotonic() - began < DUE_SECONDS / 2
            r.sink.let_go()
            assert await draining == 0

    run_in_virtual_time(scenario())


async def send_as(r: RunningLane, sender: str) -> Window:
    """One small window of a Beat."""
    window = r.window()
    window.receipt.sender = sender
    await r.put(window.documents(3))
    window.receipt.seal()
    r.lane.hint_idle()
    return window


def test_many_beats_with_a_window_each_share_their_writes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path) as r:
            windows = []
            for number in range(100):
                windows.append(await send_as(r, f"beat {number}"))
                await asyncio.sleep(0.01)  # no race: virtual time
            for window in windows:
                await window.done.wait()

            assert 15 <= len(r.sink.writes) <= 30

    run_in_virtual_time(scenario())


def test_a_beat_that_sends_window_after_window_is_never_kept_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_lane(ScriptedSink(), tmp_path) as r:
            began = r.clock.monotonic()
            for _ in range(100):
                window = await send_as(r, "beat")
                await window.done.wait()

            assert len(r.sink.writes) == 100
            assert r.clock.monotonic() - began < 100 * WAIT_SECONDS / 4

    run_in_virtual_time(scenario())

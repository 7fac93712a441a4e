"""Small windows that wait for each other: which, for how long, and who is taken in with whom."""

from __future__ import annotations

import asyncio
import contextlib

from ptingest.sources.beats.small_windows import SmallWindows
from tests.fakes.clock import LoopClock, run_in_virtual_time


class Lanes:
    """What a lane says of its last small batch."""

    def __init__(self) -> None:
        self.due_at = 0.0
        self.known: set[str] = set()

    def ask(self, sender: str) -> float:
        return 0.0 if sender in self.known else self.due_at


async def begun(lanes: Lanes) -> tuple[SmallWindows, LoopClock]:
    clock = LoopClock()
    return SmallWindows(lanes.ask, now=clock.monotonic), clock


def test_nobody_waits_where_no_small_batch_was_written_lately() -> None:
    async def scenario() -> None:
        windows, clock = await begun(Lanes())
        began = clock.monotonic()

        await windows.wait("a")

        assert clock.monotonic() == began

    run_in_virtual_time(scenario())


def test_those_of_several_senders_are_taken_in_together_when_one_would_be_written() -> None:
    async def scenario() -> None:
        lanes, order = Lanes(), []
        windows, clock = await begun(lanes)
        lanes.due_at = clock.monotonic() + 0.05

        async def one(sender: str) -> None:
            await windows.wait(sender)
            order.append((sender, round(clock.monotonic() - began, 3)))

        began = clock.monotonic()
        tasks = [asyncio.ensure_future(one("a"))]
        await asyncio.sleep(0.02)  # no race: virtual time
        tasks.append(asyncio.ensure_future(one("b")))
        await asyncio.gather(*tasks)

        assert [sender for sender, _ in order] == ["a", "b"]
        assert order[0][1] == order[1][1] == 0.05

    run_in_virtual_time(scenario())


def test_one_that_need_not_wait_takes_the_waiting_with_it() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        windows, clock = await begun(lanes)
        lanes.due_at, lanes.known = clock.monotonic() + 0.05, {"hurried"}
        began = clock.monotonic()

        waiting = asyncio.ensure_future(windows.wait("a"))
        await asyncio.sleep(0.01)  # no race: virtual time
        await windows.wait("hurried")
        await waiting

        assert clock.monotonic() - began < 0.02
        # The timer is gone with those that it was for.
        lanes.due_at = clock.monotonic() + 1.0
        again = clock.monotonic()
        await windows.wait("b")
        assert clock.monotonic() - again > 0.9

    run_in_virtual_time(scenario())


def test_a_connection_that_ends_while_it_waits_holds_nobody_up() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        windows, clock = await begun(lanes)
        lanes.due_at = clock.monotonic() + 0.05
        gone = asyncio.ensure_future(windows.wait("gone"))
        stays = asyncio.ensure_future(windows.wait("stays"))
        await asyncio.sleep(0)  # no race: virtual time

        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        await stays

        assert gone.cancelled()

    run_in_virtual_time(scenario())

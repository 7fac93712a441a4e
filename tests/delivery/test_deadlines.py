"""Attempts that keep silent are given up when others are answered, and not before."""

from __future__ import annotations

import asyncio

from ptingest.delivery.batch import batch_of
from ptingest.delivery.deadlines import Deadlines
from tests.fakes.clock import LoopClock, run_in_virtual_time
from tests.fakes.sink import Window

PATIENT = 5.0


async def ended_after(deadlines: Deadlines, *, is_suspect: bool = False) -> asyncio.Task[float]:
    """Begin an attempt that is never answered; its task says how long it lasted."""
    batch = batch_of(Window().documents(1), 0.0)
    batch.is_suspect = is_suspect
    clock = LoopClock()
    began = clock.monotonic()

    async def attempt() -> float:
        try:
            async with deadlines.begin(batch, began, PATIENT if is_suspect else None):
                await asyncio.Event().wait()
        except TimeoutError:
            deadlines.over(batch)
        return clock.monotonic() - began

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)  # no race: virtual time
    return task


def test_an_answer_to_a_later_write_limits_the_silence_of_the_earlier() -> None:
    async def scenario() -> None:
        deadlines, clock = Deadlines(), LoopClock()
        early = await ended_after(deadlines)
        await asyncio.sleep(2)  # no race: virtual time
        sent_at = clock.monotonic()
        late = await ended_after(deadlines)
        deadlines.answered(sent_at, clock.monotonic(), PATIENT)

        assert 5 <= await early < 5.1
        assert not late.done()
        late.cancel()

    run_in_virtual_time(scenario())


def test_a_sink_that_is_well_ends_what_was_silent_for_too_long() -> None:
    async def scenario() -> None:
        deadlines, clock = Deadlines(), LoopClock()
        early = await ended_after(deadlines)
        await asyncio.sleep(6)  # no race: virtual time
        late = await ended_after(deadlines)
        silent = deadlines.silent(clock.monotonic(), PATIENT)
        ends = deadlines.next_silent(clock.monotonic(), PATIENT)
        deadlines.give_up_silent(clock.monotonic(), PATIENT)

        assert 6 <= await early < 6.1
        assert silent == 1
        assert [round(end - clock.monotonic()) for end in ends] == [5]
        late.cancel()

    run_in_virtual_time(scenario())


def test_a_suspect_has_its_own_deadline_and_is_not_counted() -> None:
    async def scenario() -> None:
        deadlines, clock = Deadlines(), LoopClock()
        suspect = await ended_after(deadlines, is_suspect=True)
        await asyncio.sleep(4.9)  # no race: virtual time

        assert deadlines.silent(clock.monotonic() + 10, PATIENT) == 0
        assert 5 <= await suspect < 5.1

    run_in_virtual_time(scenario())

from __future__ import annotations

import asyncio

import pytest

from ptingest.errors import SinkUnavailable
from ptingest.sinks.read.turns import Turns


async def test_so_many_hold_a_turn_so_many_wait_and_others_are_refused() -> None:
    turns = Turns("store", at_once=2, waiting=1)
    ended, held, waited = asyncio.Event(), asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        async with turns.one():
            held.release()
            await ended.wait()

    async def wait() -> None:
        async with turns.one():
            waited.set()

    holding = [asyncio.create_task(hold()) for _ in range(2)]
    await held.acquire()
    await held.acquire()
    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)  # no race: the first turn of the loop lets it ask
    with pytest.raises(SinkUnavailable, match="1 questions wait already"):
        async with turns.one():
            pass

    assert not waited.is_set()
    ended.set()
    await asyncio.gather(*holding, waiting)
    assert waited.is_set()


async def test_a_turn_is_given_back_whatever_happens() -> None:
    turns = Turns("store", at_once=1, waiting=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with turns.one():
                raise ZeroDivisionError

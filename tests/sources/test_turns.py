"""Turns to inflate: how many, and that none is lost."""

from __future__ import annotations

import asyncio

from ptingest.delivery.budget import Budget
from ptingest.sources.turns import TURNS, HeldTurns


async def test_a_large_frame_waits_until_it_is_alone_and_then_keeps_all_others_out() -> None:
    budget = Budget(TURNS)
    small, large, late = (HeldTurns(budget, lambda: 7.0) for _ in range(3))
    await small.take(1)
    await large.take(1)

    alone = asyncio.ensure_future(large.take(TURNS))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    assert not alone.done()
    assert large.waiting_since == 7.0
    small.give_back()
    await alone
    waiting = asyncio.ensure_future(late.take(1))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    assert not waiting.done()
    large.give_back()
    await waiting

    assert budget.outstanding == 1


async def test_who_is_cancelled_while_it_waits_holds_nothing() -> None:
    budget = Budget(TURNS)
    first, second = HeldTurns(budget, lambda: 0.0), HeldTurns(budget, lambda: 0.0)
    await first.take(1)
    await second.take(1)

    waiting = asyncio.ensure_future(second.take(TURNS))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    waiting.cancel()
    await asyncio.wait([waiting])
    second.give_back()
    first.give_back()

    assert second.waiting_since is None
    assert budget.outstanding == 0

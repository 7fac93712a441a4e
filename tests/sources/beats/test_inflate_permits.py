"""Permits to inflate: how many there are, and that none is lost."""

from __future__ import annotations

import asyncio

from ptingest.delivery.budget import Budget
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS, HeldPermits


async def test_a_large_frame_waits_until_it_is_alone_and_then_keeps_all_others_out() -> None:
    budget = Budget(INFLATE_PERMITS)
    small, large, late = (HeldPermits(budget, asyncio.Lock(), lambda: 7.0) for _ in range(3))
    await small.take(1)
    await large.take(1)

    alone = asyncio.ensure_future(large.take(INFLATE_PERMITS))
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
    budget = Budget(INFLATE_PERMITS)
    alone = asyncio.Lock()
    first, second = (HeldPermits(budget, alone, lambda: 0.0) for _ in range(2))
    await first.take(1)
    await second.take(1)

    waiting = asyncio.ensure_future(second.take(INFLATE_PERMITS))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    waiting.cancel()
    await asyncio.wait([waiting])
    second.give_back()
    first.give_back()

    assert second.waiting_since is None
    assert budget.outstanding == 0
    assert not alone.locked()


async def test_who_came_while_a_large_frame_was_alone_is_before_the_next_large_one() -> None:
    budget, alone = Budget(INFLATE_PERMITS), asyncio.Lock()
    first, second, third, small = (HeldPermits(budget, alone, lambda: 0.0) for _ in range(4))
    await first.take(INFLATE_PERMITS)
    large = [asyncio.ensure_future(one.take(INFLATE_PERMITS)) for one in (second, third)]
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    waiting = asyncio.ensure_future(small.take(1))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides

    first.give_back()
    await waiting

    assert not any(one.done() for one in large)
    small.give_back()
    await large[0]
    second.give_back()
    await large[1]
    third.give_back()
    assert budget.outstanding == 0
    assert not alone.locked()

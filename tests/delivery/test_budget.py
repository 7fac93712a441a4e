"""The budget is granted in order, and every byte charged comes back."""

from __future__ import annotations

import asyncio
import random

import pytest

from ptingest.delivery.budget import Budget


async def next_iteration() -> None:
    for _ in range(5):
        await asyncio.sleep(0)  # no race: nothing but turns of this loop decides


async def test_what_fits_is_granted_without_waiting() -> None:
    budget = Budget(100)

    await budget.take(60)
    await budget.take(40)

    assert budget.outstanding == 100


async def test_an_empty_pot_grants_any_one_request() -> None:
    budget = Budget(100)

    await budget.take(1000)
    second = asyncio.create_task(budget.take(1))
    await next_iteration()

    assert not second.done()
    budget.release(1000)
    await second
    assert budget.outstanding == 1


async def test_small_requests_do_not_overtake_a_large_one() -> None:
    budget = Budget(100)
    await budget.take(90)
    order: list[str] = []

    async def take(name: str, count: int) -> None:
        await budget.take(count)
        order.append(name)

    tasks = [asyncio.create_task(take("large", 80)), asyncio.create_task(take("small", 5))]
    await next_iteration()
    waited = (list(order), budget.waiting)
    budget.release(90)
    await asyncio.gather(*tasks)

    assert waited == ([], 2)
    assert order == ["large", "small"]


async def test_a_cancelled_request_frees_the_way_for_those_behind() -> None:
    budget = Budget(100)
    await budget.take(90)
    large = asyncio.create_task(budget.take(80))
    small = asyncio.create_task(budget.take(5))
    await next_iteration()

    large.cancel()
    await small

    assert large.cancelled()
    assert budget.outstanding == 95


async def test_a_grant_that_meets_a_cancellation_goes_to_the_next() -> None:
    budget = Budget(100)
    await budget.take(100)
    first = asyncio.create_task(budget.take(100))
    second = asyncio.create_task(budget.take(100))
    await next_iteration()

    budget.release(100)  # grants the first, whose task has not run yet
    first.cancel()
    await second

    assert first.cancelled()
    assert budget.outstanding == 100


async def test_a_release_between_a_cancellation_and_its_task_is_not_lost() -> None:
    budget = Budget(100)
    await budget.take(100)
    first = asyncio.create_task(budget.take(100))
    second = asyncio.create_task(budget.take(100))
    await next_iteration()

    first.cancel()
    budget.release(100)
    await second

    assert first.cancelled()
    assert budget.outstanding == 100


async def test_a_correction_may_go_over_the_limit() -> None:
    budget = Budget(100)

    budget.charge(150)

    assert budget.outstanding == 150
    assert budget.limit == 100


def test_more_released_than_charged_is_a_bug() -> None:
    budget = Budget(100)

    with pytest.raises(AssertionError):
        budget.release(1)


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_leaks_whoever_is_cancelled(seed: int) -> None:
    chance, budget = random.Random(seed), Budget(100)
    granted: list[int] = []
    most = 0

    async def user(number: int, count: int) -> None:
        nonlocal most
        await budget.take(count)
        try:
            granted.append(number)
            most = max(most, budget.outstanding)
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)  # no race: any order will do
        finally:
            budget.release(count)

    tasks = [asyncio.create_task(user(n, chance.randint(1, 100))) for n in range(60)]
    for _ in range(30):
        await asyncio.sleep(0)  # no race: any order will do
        chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert budget.outstanding == 0
    assert budget.waiting == 0
    assert most <= 100
    assert granted == sorted(granted)

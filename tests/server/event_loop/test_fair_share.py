"""The work of one iteration of the loop is limited, and requests are granted in order."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ptingest.server.event_loop.fair_share import FairShare


class Turns:
    """Counts the turns of the running loop, as long as it is watched."""

    def __init__(self) -> None:
        self.number = 0
        self._count()

    def _count(self) -> None:
        self.number += 1
        self._next = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._next.cancel()


async def turns_of(fair_share: FairShare, sizes: list[int], times: int = 1) -> list[list[int]]:
    """In which turns each worker's pieces were done; workers all begin in one turn."""
    turns = Turns()

    async def work(size: int) -> list[int]:
        done = []
        for _ in range(times):
            await fair_share(size)
            done.append(turns.number)
        return done

    found = await asyncio.gather(*map(work, sizes))
    turns.stop()
    return found


async def test_what_fits_into_one_turn_is_done_in_it() -> None:
    found = await turns_of(FairShare(100), [30, 30, 40])

    assert found == [[found[0][0]]] * 3


async def test_what_does_not_fit_waits_for_later_turns_in_order() -> None:
    (first,), (second,), (third,), (small,) = await turns_of(FairShare(100), [90, 60, 60, 1])

    assert first < second < third
    assert small == third, "a small one does not overtake, and shares the turn that has room"


async def test_work_larger_than_a_turn_has_one_of_its_own() -> None:
    found = [turn for (turn,) in await turns_of(FairShare(100), [1000, 1000, 1000])]

    assert len(set(found)) == 3


async def test_a_lone_worker_has_every_turn() -> None:
    ((*turns,),) = await turns_of(FairShare(100), [100], times=10)

    assert turns[1:] == list(range(turns[1], turns[1] + 9)), "no turn is left empty"


async def test_workers_take_turns_however_often_they_come() -> None:
    found = await turns_of(FairShare(100), [100, 100, 100], times=5)

    assert all(a < b < c for a, b, c in zip(*found, strict=True))


async def test_work_of_no_size_cannot_go_on_for_ever_in_one_turn() -> None:
    ((*turns,),) = await turns_of(FairShare(10), [0], times=100)

    assert len(set(turns)) >= 9


@given(sizes=st.lists(st.integers(0, 150), max_size=30))
def test_no_turn_takes_twice_what_it_should(sizes: list[int]) -> None:
    found = asyncio.run(turns_of(FairShare(100), sizes, times=3))

    done: dict[int, int] = {}
    for size, turns in zip(sizes, found, strict=True):
        for turn in turns:
            done[turn] = done.get(turn, 0) + size
    assert all(amount <= 200 or amount <= 100 + max(sizes) for amount in done.values())


async def test_who_is_cancelled_holds_up_nobody() -> None:
    fair_share = FairShare(100)
    tasks = [asyncio.create_task(fair_share(100)) for _ in range(4)]
    for _ in range(2):
        await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    assert [task.done() for task in tasks] == [True, False, False, False]

    tasks[1].cancel()  # it was granted the turn that comes now
    tasks[2].cancel()  # it is still in the queue

    await tasks[3]
    await fair_share(100)
    assert [task.cancelled() for task in tasks] == [False, True, True, False]

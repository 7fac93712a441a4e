"""Orders for the dead letters, given to one of several workers."""

from __future__ import annotations

import pytest

from ptingest.errors import JobRefused
from ptingest.model.letters import LetterFilter, Order
from ptingest.workers.messages import ORDER, PROGRESS, SWEEP, Progress
from ptingest.workers.requeue_proxy import RequeueProxy
from ptingest.workers.rpc import NOTHING, Nothing
from tests.support.waiting import until
from tests.support.worker_pool import FakeWorker, fake_workers, pool_of

REQUEUE = Order("requeue", LetterFilter(everything=True), pid=4711)
TALLY = {"chosen": 3, "left": 0, "left_because": None}


class FakeJobs:
    """Answers as a worker does; the order is done when ``finished`` says so."""

    def __init__(self, fake: FakeWorker) -> None:
        self.orders: list[Order] = []
        self.sweeps = 0
        self.finished = False
        fake.rpc.on_request(ORDER, self.order)
        fake.rpc.on_request(PROGRESS, self.progress)
        fake.rpc.on_request(SWEEP, self.sweep)

    async def order(self, order: Order) -> Progress:
        self.orders.append(order)
        return await self.progress(NOTHING)

    async def progress(self, _: Nothing) -> Progress:
        return {"number": 9, "finished": self.finished, "failed": None, "tally": TALLY}

    async def sweep(self, _: Nothing) -> Nothing:
        self.sweeps += 1
        return NOTHING


async def until_done(proxy: RequeueProxy) -> dict[str, object]:
    await until(lambda: proxy.progress()["finished"])
    return proxy.progress()


async def test_before_any_order_there_is_nothing_to_tell() -> None:
    assert RequeueProxy(pool_of(1)).progress() == {"number": 0, "what": None, "finished": True}


async def test_one_worker_gets_the_order_and_all_sweep_afterwards() -> None:
    pool = pool_of(2)
    async with fake_workers(pool) as fakes:
        jobs = [FakeJobs(fake) for fake in fakes]
        fakes[0].worker.take(1, "192.0.2.7")  # the busier one
        proxy = RequeueProxy(pool)

        begun = proxy.begin(REQUEUE)
        await until(lambda: jobs[1].orders)
        jobs[1].finished = True
        ended = await until_done(proxy)

    assert (begun["number"], begun["what"], begun["finished"]) == (1, "requeue", False)
    assert (ended["number"], ended["tally"], ended["failed"]) == (1, TALLY, None)
    assert [len(jobs.orders) for jobs in jobs] == [0, 1]
    assert jobs[1].orders[0].pid is None
    assert [jobs.sweeps for jobs in jobs] == [1, 1]


async def test_one_order_at_a_time() -> None:
    pool = pool_of(1)
    async with fake_workers(pool) as (fake,):
        jobs = FakeJobs(fake)
        proxy = RequeueProxy(pool)
        proxy.begin(REQUEUE)

        with pytest.raises(JobRefused, match="a requeue is already running"):
            proxy.begin(Order("purge", LetterFilter(everything=True)))

        jobs.finished = True
        await until_done(proxy)
        assert proxy.begin(Order("purge", LetterFilter(everything=True)))["number"] == 2
        await until_done(proxy)


async def test_a_worker_that_dies_ends_the_order_and_says_what_now() -> None:
    pool = pool_of(1)
    async with fake_workers(pool) as (fake,):
        jobs = FakeJobs(fake)
        proxy = RequeueProxy(pool)
        proxy.begin(REQUEUE)
        await until(lambda: jobs.orders)

        fake.rpc.close()
        ended = await until_done(proxy)

    assert ended["failed"] == "worker 1: worker 1 is gone; letters not settled stay; run it again"


async def test_orders_need_somebody_who_runs_and_a_server_that_stays() -> None:
    proxy = RequeueProxy(pool_of(1))

    with pytest.raises(JobRefused, match="no worker is running"):
        proxy.begin(REQUEUE)
    proxy.stop("the server is stopping")
    with pytest.raises(JobRefused, match="the server is stopping"):
        proxy.begin(REQUEUE)

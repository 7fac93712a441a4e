"""What several workers show as one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any, cast

import orjson

from ptingest.api.usage import usage_of
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.aggregate_view import AggregatedView
from ptingest.workers.messages import SNAPSHOT, WorkerSnapshot
from ptingest.workers.pool import WorkerPool, given_back
from ptingest.workers.rpc import Nothing
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import FakeWorker, fake_workers, pool_of

RECEIVED = "ptingest_flow_received_events_total"
SETTLED = "ptingest_lane_settled_events_total"
OUTSTANDING = "ptingest_lane_outstanding_events"


def view_of(pool: WorkerPool) -> AggregatedView:
    settings = ServerSettings(workers=len(pool.workers))
    view = AggregatedView(pool, own=Metrics(), settings=settings, clock=SystemClock())
    view.listening = "127.0.0.1:5044"
    return view


class Worker:
    """Shows what it is told to."""

    def __init__(self, fake: FakeWorker, received: int, stored: int, *reasons: str) -> None:
        self.metrics, self.reasons, self.asked = Metrics(), list(reasons), 0
        self.metrics.add(RECEIVED, received, "django")
        self.metrics.add(SETTLED, stored, "store", "django", "stored")
        self.metrics.set(OUTSTANDING, received - stored, "store", "django")
        self.answers = asyncio.Event()
        self.answers.set()
        fake.rpc.on_request(SNAPSHOT, self.look)

    async def look(self, _: Nothing) -> WorkerSnapshot:
        self.asked += 1
        await self.answers.wait()
        status = {"pid": 1, "uptime_seconds": 1.0, "beats": {"connections": 2, "listed": []}}
        return WorkerSnapshot(self.metrics.samples(), orjson.dumps(status), self.reasons)


async def test_books_are_of_all_workers_and_of_those_that_are_gone() -> None:
    pool = pool_of(2)
    view = view_of(pool)
    async with fake_workers(pool) as fakes:
        workers = [Worker(fakes[0], 10, 7), Worker(fakes[1], 5, 5)]
        await view.refresh()
        assert view.books()["store"]["django"] == {
            "received": 15, "in_flight": 3, "stored": 12, "residue": 0,
        }  # fmt: skip

        pool.retired = given_back(workers[0].metrics.samples())
        fakes[0].worker.state, fakes[0].worker.samples = "waiting", []
        await view.refresh()

        assert view.books()["store"]["django"] == {
            "received": 15, "in_flight": 0, "stored": 12, "given_back": 3, "residue": 0,
        }  # fmt: skip
        assert view.metrics.value(RECEIVED, "django") == 15


async def test_an_answer_waits_for_a_busy_worker_only_so_long() -> None:
    pool = pool_of(2)
    view = view_of(pool)
    async with fake_workers(pool) as fakes:
        workers = [Worker(fakes[0], 10, 10), Worker(fakes[1], 5, 5)]
        await view.refresh()
        workers[1].metrics.add(RECEIVED, 100, "django")
        workers[0].metrics.add(RECEIVED, 1, "django")
        workers[1].answers.clear()
        await asyncio.wait_for(view.refresh(), PATIENCE_SECONDS)

        assert view.metrics.value(RECEIVED, "django") == 16
        workers[1].answers.set()


async def test_an_answer_that_comes_after_its_workers_end_is_not_the_next_ones() -> None:
    pool = pool_of(2)
    view = view_of(pool)
    async with fake_workers(pool) as fakes:
        workers = [Worker(fakes[0], 10, 10), Worker(fakes[1], 5, 5)]
        workers[0].answers.clear()
        looking = asyncio.create_task(view.refresh())
        await until(lambda: workers[0].asked)
        workers[0].answers.set()
        asked, fakes[0].worker.rpc = fakes[0].worker.rpc, None  # another sits there by now
        await looking
        fakes[0].worker.rpc = asked

    assert fakes[0].worker.samples == []
    assert view.metrics.value(RECEIVED, "django") == 5


async def test_who_asks_at_the_same_time_gets_the_same_answer() -> None:
    pool = pool_of(1)
    view = view_of(pool)
    async with fake_workers(pool) as (fake,):
        worker = Worker(fake, 1, 1)
        await asyncio.gather(*(view.refresh() for _ in range(10)))

        assert worker.asked == 1


async def test_the_status_has_one_workers_shape_and_a_row_for_each() -> None:
    pool = pool_of(2)
    view = view_of(pool)
    view.sections = lambda: {"beats": {"connections_limit": 7}, "config": {"reloads": 0}}
    async with fake_workers(pool) as fakes:
        for fake in fakes:
            Worker(fake, 1, 1)
        fakes[1].worker.restarts, fakes[1].worker.last_end = 2, "was killed by SIGKILL"
        await view.refresh()
        status = view.status()

    assert status["pid"] == os.getpid()
    assert status["beats"] == {"connections": 4, "listed": [], "connections_limit": 7}
    assert status["config"] == {"reloads": 0}
    rows = status["workers"]
    assert isinstance(rows, list)
    assert [(row["worker"], row["state"], row["restarts"]) for row in rows] == [
        (1, "running", 0),
        (2, "running", 2),
    ]
    assert rows[1]["last_end"] == "was killed by SIGKILL"
    assert rows[0]["limits"] == {"total_bytes": 64 << 20, "connections_per_ip_behind_proxy": 128}


async def test_why_it_is_not_ready_names_who_is_not() -> None:
    pool = pool_of(2)
    view = view_of(pool)
    async with fake_workers(pool) as fakes:
        Worker(fakes[0], 1, 1, "sink elasticsearch: down")
        second = Worker(fakes[1], 1, 1)
        await view.refresh()
        assert view.readiness() == ["worker 1: sink elasticsearch: down"]
        second.reasons.append("sink elasticsearch: down")
        await view.refresh()
        assert view.readiness() == ["sink elasticsearch: down"]
        assert view.metrics.value("ptingest_worker_is_ready") == 0

        view.draining = True
        assert view.readiness() == ["draining: this process is stopping"]


async def test_without_a_worker_it_is_not_ready() -> None:
    pool = pool_of(1)
    view = view_of(pool)
    assert view.readiness() == ["no worker is running yet"]

    pool.workers[0].last_end = "was killed by SIGKILL"

    assert view.readiness() == ["no worker is running: the last one was killed by SIGKILL"]


def test_what_all_processes_use_is_ours_and_theirs() -> None:
    pool = pool_of(1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pool.workers[0].process = cast(Any, child)
        alone, together = usage_of([os.getpid()]), view_of(pool).usage()
        child.kill()

    assert together.threads > alone.threads
    assert together.memory_bytes > alone.memory_bytes

"""Tap and why over several workers: real processes, and workers in a test's hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import QueryInvalid, TapsBusy
from ptingest.model.watching import TapRequest, WhyRequest
from ptingest.observe.taps import BUFFER_BYTES, TAPS
from ptingest.server.process.clock import SystemClock
from ptingest.workers.aggregate_watch import AggregatedTap, AggregatedWatch
from ptingest.workers.messages import TAP, WHY, Progress, TapLines
from tests.support.raw_peer import J, W, event
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import FakeWorker, fake_workers, peer_at, pool_of, pooled

TOLD = b'{"told":{"passed":3,"shown":1,"skipped":2,"lost":0}}\n'


class Worker:
    """Answers as a worker does."""

    def __init__(self, fake: FakeWorker, name: str) -> None:
        self.name = name
        self.wishes: list[TapRequest] = []
        self.items: asyncio.Queue[bytes] = asyncio.Queue()
        self.has_left = asyncio.Event()
        fake.rpc.on_stream(TAP, self.tap)
        fake.rpc.on_request(WHY, self.why)

    async def tap(self, wish: TapRequest) -> AsyncIterator[TapLines]:
        self.wishes.append(wish)
        try:
            while True:
                yield TapLines(await self.items.get())
        finally:
            self.has_left.set()

    async def why(self, question: WhyRequest) -> Progress:
        assert question.id == "k"
        memory = {"bytes": 1, "limit_bytes": 10, "whole_events": 2, "id_events": 3,
                  "whole_seconds": 4.0, "seconds": float(len(self.name))}  # fmt: skip
        return {"found": [{"id": "k", "arrived_at": self.name}], "matching": 3, "memory": memory}


async def lines(tap: AggregatedTap, until: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(until in line for line in found):
            found += [json.loads(line) for line in (await tap.read()).splitlines()]
    return found


async def test_lines_of_all_workers_come_and_their_counts_are_added_up() -> None:
    pool = pool_of(2)
    async with fake_workers(pool) as fakes:
        workers = [Worker(fake, name) for fake, name in zip(fakes, "ab", strict=True)]
        watch = AggregatedWatch(pool, clock=SystemClock())
        tap = await watch.begin(TapRequest("service:django"))
        for worker in workers:
            worker.items.put_nowait(b'{"fate":"%b"}\n' % worker.name.encode() + TOLD)

        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while {"told": {"passed": 6, "shown": 2, "skipped": 4, "lost": 0}} not in found:
                found += [json.loads(line) for line in (await tap.read()).splitlines()]
        tap.close()

        assert {line["fate"] for line in found if "fate" in line} == {"a", "b"}
        assert [one.wishes for one in workers] == [[TapRequest("service:django")]] * 2
        for worker in workers:
            await asyncio.wait_for(worker.has_left.wait(), PATIENCE_SECONDS)
        assert watch.open == []


async def test_what_finds_no_room_is_lost_and_counted() -> None:
    pool = pool_of(1)
    async with fake_workers(pool) as fakes:
        worker = Worker(fakes[0], "a")
        watch = AggregatedWatch(pool, clock=SystemClock())
        tap = await watch.begin(TapRequest())
        for _ in range(40):
            worker.items.put_nowait(b"x" * 100_000 + b"\n")

        def is_lost() -> bool:
            worker.items.put_nowait(b"what is lost is told with the next one that is not\n")
            return bool(tap._summed()["lost"])

        await until(is_lost)
        assert tap.size <= BUFFER_BYTES
        assert watch.status()["waiting_bytes"] == tap.size
        tap.close()


async def test_the_end_is_told() -> None:
    pool = pool_of(1)
    async with fake_workers(pool) as fakes:
        Worker(fakes[0], "a")
        watch = AggregatedWatch(pool, clock=SystemClock())
        tap = await watch.begin(TapRequest())

        watch.end_all("the server is stopping")

        assert (await lines(tap, "ended"))[-1] == {"ended": "the server is stopping"}
        assert await tap.read() == b""
        tap.close()


async def test_taps_are_few_and_queries_are_read_before_anybody_is_asked() -> None:
    watch = AggregatedWatch(pool_of(0), clock=SystemClock())
    with pytest.raises(QueryInvalid):
        await watch.begin(TapRequest("service:"))
    for _ in range(TAPS):
        await watch.begin(TapRequest())

    with pytest.raises(TapsBusy):
        await watch.begin(TapRequest())


async def test_all_are_asked_why_and_their_memories_are_one() -> None:
    pool = pool_of(2)
    async with fake_workers(pool) as fakes:
        for fake, name in zip(fakes, ("2025", "2026-1"), strict=True):
            Worker(fake, name)

        answer = await AggregatedWatch(pool, clock=SystemClock()).why(WhyRequest(id="k"))

    assert answer["matching"] == 6
    assert [(one["worker"], one["arrived_at"]) for one in answer["found"]] == [
        (2, "2026-1"),
        (1, "2025"),
    ]
    assert answer["memory"] == {
        "bytes": 2, "limit_bytes": 20, "whole_events": 4, "id_events": 6, "whole_seconds": 4.0,
        "seconds": 6.0, "setting": "why.max_bytes",
    }  # fmt: skip
    assert answer["silent"] == {}


@pytest.mark.timeout(90)
async def test_with_real_processes_an_event_is_tapped_and_its_life_told(tmp_path: Path) -> None:
    async with pooled(tmp_path) as pool:
        tap = await pool.supervisor.watch.begin(TapRequest("log_level:ERROR"))
        async with peer_at(pool.port) as peer:
            for number in range(50):  # until both taps are open
                bad = event(f"ERROR|apps.x|2025-01-02T03:04:05Z|broken {number}")
                await peer.send(W(2) + J(1) + J(2, bad))
                await peer.acks(1)
                if b'"fate"' in (shown := await tap.read()):
                    break
        status = await pool.status()
        tap.close()
        answer = await pool.supervisor.watch.why(WhyRequest(line=f"broken {number}"))
        code, over_http = await pool.get("/why?id=AAAAAAAAAAAAAAAAAAAAAA")

    assert b'"log_level":"ERROR"' in shown
    (trace,) = answer["found"]
    assert trace["worker"] in (1, 2)
    assert trace["window"]["state"] == "acked"
    assert trace["sinks"] == {"store": {"state": "stored"}}
    assert (code, over_http["found"]) == (200, [])
    assert status["why"]["sample"] == 1.0
    assert status["taps"]["limit"] == TAPS
    assert over_http["memory"]["limit_bytes"] == 16 << 20

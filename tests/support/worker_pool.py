"""A supervisor in this process with real worker processes, and what a test wants of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import msgspec

from ptingest.server.assembly import read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.workers import aggregate_view as whole
from ptingest.workers.fd_passing import receive_socket
from ptingest.workers.messages import LOAD, Config, WorkerLoad
from ptingest.workers.pool import PoolWorker, WorkerPool, WorkerTimeouts
from ptingest.workers.rpc import RpcConnection, open_rpc
from ptingest.workers.supervisor import Supervisor
from tests.support.raw_peer import RawPeer
from tests.support.waiting import PATIENCE_SECONDS, until, until_told

START_SECONDS = 90.0
QUICK = WorkerTimeouts(backoff_first=0.05, backoff_most=0.5, leave=2.0)


def lives(pid: int | None) -> bool:
    """Whether a process is there, be it a zombie."""
    return pid is not None and Path(f"/proc/{pid}").exists()


class PooledServer:
    """A running supervisor under test."""

    def __init__(self, supervisor: Supervisor, data_dir: Path) -> None:
        self.supervisor, self.data_dir = supervisor, data_dir

    @property
    def workers(self) -> list[PoolWorker]:
        return self.supervisor.pool.workers

    @property
    def port(self) -> int:
        return self.supervisor.beats_port

    async def until(self, what: Callable[[], bool]) -> None:
        await until(what)

    async def all_running(self) -> None:
        await self.until(lambda: len(self.supervisor.pool.running) == len(self.workers))

    def signal(self, number: int, what: signal.Signals) -> int:
        """Signal one worker; returns its pid."""
        pid = self.workers[number - 1].pid
        assert pid is not None
        os.kill(pid, what)
        return pid

    async def get(self, path: str) -> tuple[int, Any]:
        """One HTTP GET: status and body, decoded where it is JSON."""
        url = f"http://127.0.0.1:{self.supervisor.api_port}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            body = await answer.read()
            if answer.content_type == "application/json":
                return answer.status, await answer.json()
            return answer.status, body.decode()

    async def status(self) -> dict[str, Any]:
        _, status = await self.get("/status")
        found: dict[str, Any] = status
        return found

    async def metric(self, name: str, *labels: str) -> float:
        await self.supervisor.view.refresh()
        return self.supervisor.view.metrics.value(name, *labels)

    async def until_metric(self, name: str, value: float, *labels: str) -> None:
        async def is_reached() -> bool:
            return await self.metric(name, *labels) >= value

        await until_told(is_reached)


def settings_for(tmp_path: Path, **keys: Any) -> ServerSettings:
    beats = {"listen": "127.0.0.1:0", "keepalive_seconds": 0.2, **keys.pop("beats", {})}
    return ServerSettings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "workers": 2,
            "drain_seconds": 5.0,
            "api": {"listen": "127.0.0.1:0"},
            "beats": beats,
            **keys,
        }
    )


@contextlib.asynccontextmanager
async def pooled(
    tmp_path: Path, *, timeouts: WorkerTimeouts = QUICK, **keys: Any
) -> AsyncIterator[PooledServer]:
    """Run a supervisor with ``workers`` processes on free ports; balanced at the end."""
    settings = settings_for(tmp_path, **keys)
    supervisor = Supervisor(
        settings,
        read_profile(settings, {}),
        workers=settings.workers,
        clock=SystemClock(),
        timeouts=timeouts,
    )
    running = asyncio.ensure_future(supervisor.run())
    started = asyncio.ensure_future(supervisor.started.wait())
    await asyncio.wait(
        (running, started), return_when=asyncio.FIRST_COMPLETED, timeout=START_SECONDS
    )
    if running.done():
        started.cancel()
        running.result()
    pool = PooledServer(supervisor, tmp_path / "data")
    try:
        await pool.all_running()
        # What is asked for is what all workers say by now, however busy this machine is.
        with mock.patch.object(whole, "LOOK_SECONDS", PATIENCE_SECONDS):
            yield pool
    finally:
        supervisor.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
        supervisor.view.show()
        books = supervisor.view.books()
        assert {row["residue"] for rows in books.values() for row in rows.values()} <= {0}


@contextlib.asynccontextmanager
async def peer_at(port: int) -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = RawPeer(reader, writer)
    try:
        yield peer
    finally:
        await peer.close()


# -- without processes -----------------------------------------------------------------------


class FakeWorker:
    """The other end of a worker: what a worker would hold, in the hands of a test."""

    def __init__(self, worker: PoolWorker, rpc: RpcConnection, handed: socket.socket) -> None:
        self.worker, self.rpc, self.sockets = worker, rpc, handed
        self.serving = asyncio.ensure_future(rpc.run())

    async def next_handed(self) -> tuple[int, socket.socket]:
        """Wait for the next socket that was handed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            handed = await receive_socket(self.sockets)
        assert handed is not None
        number, accepted = handed
        assert accepted is not None
        return number, accepted

    def load(self, **changed: Any) -> None:
        """Tell how busy it is."""
        load = WorkerLoad(connections=0, events=0, is_accepting=True, is_draining=False, left=[])
        self.rpc.notify(LOAD, msgspec.structs.replace(load, **changed))


def pool_of(count: int, metrics: Metrics | None = None) -> WorkerPool:
    """A pool that starts nobody."""
    return WorkerPool(
        count,
        config=lambda: Config(b"", b""),
        drain_seconds=lambda: 1.0,
        metrics=metrics or Metrics(),
        clock=SystemClock(),
        chance=random.Random(1),
        timeouts=QUICK,
    )


@contextlib.asynccontextmanager
async def fake_workers(pool: WorkerPool) -> AsyncIterator[list[FakeWorker]]:
    """Let a test sit in every worker of a pool."""
    fakes, serving = [], []
    for worker in pool.workers:
        control, its_control = socket.socketpair()
        worker.pair, handed = socket.socketpair()
        for one in (worker.pair, handed):
            one.setblocking(False)
        worker.rpc = await open_rpc(control, name=worker.name)
        pool.subscribe_to(worker, worker.rpc)
        worker.state = "running"
        worker.heard_at = time.monotonic()
        serving.append(asyncio.ensure_future(worker.rpc.run()))
        fakes.append(FakeWorker(worker, await open_rpc(its_control, name="supervisor"), handed))
    try:
        yield fakes
    finally:
        for fake in fakes:
            if fake.worker.rpc is not None:
                fake.worker.rpc.close()
            fake.rpc.close()
            fake.sockets.close()
            fake.worker.clear()
        await asyncio.gather(*serving, *(fake.serving for fake in fakes))

"""One worker under a supervisor, here in this process and with a test as its supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import RpcRefused
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.telemetry.logs import RepeatHandler
from ptingest.workers.child import WorkerProcess
from ptingest.workers.fd_passing import send_socket
from ptingest.workers.messages import (
    DRAIN,
    LOAD,
    PREPARE,
    REPORT,
    SNAPSHOT,
    START,
    SWAP,
    Start,
    WorkerLoad,
    WorkerReport,
    pack_config,
)
from ptingest.workers.rpc import NOTHING, RpcConnection, open_rpc
from tests.support.raw_peer import J, RawPeer, W
from tests.support.waiting import PATIENCE_SECONDS, until
from tests.support.worker_pool import settings_for

RECEIVED = "ptingest_flow_received_events_total"


class FakeSupervisor:
    """The supervisor's ends of one worker."""

    def __init__(
        self, rpc: RpcConnection, pair: socket.socket, child_process: WorkerProcess
    ) -> None:
        self.rpc, self.pair, self.child_process = rpc, pair, child_process
        self.loads: list[WorkerLoad] = []
        self.reports: list[WorkerReport] = []
        rpc.on_notification(LOAD, self.loads.append)
        rpc.on_notification(REPORT, self.reports.append)
        self.running: asyncio.Task[int]

    async def start(self, tmp_path: Path, **keys: Any) -> None:
        settings = settings_for(tmp_path, **keys)
        profile = load_profile(packaged_profile_path(), {})
        await self.rpc.request(
            START,
            Start(1, 2, pack_config(settings, profile), "/srv/mine.yaml"),
            seconds=PATIENCE_SECONDS,
        )

    async def peer(self, number: int) -> RawPeer:
        """Connect a peer and hand its connection over."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        with accepted:
            assert send_socket(self.pair, accepted, number)
        return RawPeer(*await asyncio.open_connection(sock=client))

    async def until_left(self) -> list[int]:
        return await until(lambda: [number for load in self.loads for number in load.left])


@contextlib.asynccontextmanager
async def child_process() -> AsyncIterator[FakeSupervisor]:
    control, its_control = socket.socketpair()
    pair, its_pair = socket.socketpair()
    for one in (pair, its_pair):
        one.setblocking(False)
    worker = WorkerProcess(await open_rpc(its_control, name="the supervisor"), its_pair,
                        clock=SystemClock())  # fmt: skip
    fake = FakeSupervisor(await open_rpc(control, name="worker 1"), pair, worker)
    serving = asyncio.ensure_future(fake.rpc.run())
    fake.running = asyncio.ensure_future(worker.run())
    try:
        yield fake
    finally:
        fake.rpc.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(serving, fake.running)
        pair.close()
        its_pair.close()
        for handler in list(logging.getLogger().handlers):
            if isinstance(handler, RepeatHandler):  # a worker sets up logs for its process
                logging.getLogger().removeHandler(handler)
                handler.close()


async def test_advice_in_a_workers_log_names_the_config_of_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)

        logging.getLogger("ptingest.x").warning("run `ptingest setup`")

    assert "run `ptingest setup --config /srv/mine.yaml`" in capsys.readouterr().err


async def test_a_worker_that_can_take_no_connections_any_more_leaves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)
        worker = fake.child_process._started()

        async def fail(*_: object) -> None:
            raise RuntimeError("a bug")

        worker.parts.source.acceptor.adopt = fail  # type: ignore[method-assign]
        peer = await fake.peer(7)
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await fake.running

        await peer.close()
    assert code == 1, "connections would be handed over and never served"
    assert "started again" in caplog.text


async def test_a_connection_handed_over_is_served_and_told_when_it_is_over(tmp_path: Path) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)
        peer = await fake.peer(7)
        await peer.send(W(1) + J(1))
        assert await peer.acks(1) == [(2, 1)]
        await peer.close()

        assert await fake.until_left() == [7]
        assert fake.loads[-1].connections == 0


@pytest.mark.parametrize(
    ("sent", "beats"),
    [
        (b"", {"allow_from": ["192.0.2.0/24"]}),
        (b"GET / HTTP/1.1\r\n", {"proxy_protocol_from": ["127.0.0.1"]}),
        (b"GET / HTTP/1.1\r\n", {}),
    ],
    ids=["not allowed", "no PROXY header", "no Beat"],
)
async def test_one_that_is_turned_away_is_over_as_well(
    sent: bytes, beats: dict[str, Any], tmp_path: Path
) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path, beats=beats)
        peer = await fake.peer(3)
        with contextlib.suppress(ConnectionError):  # reset, where bytes were left unread
            await peer.send(sent)
            await peer.rest()
        await peer.close()

        assert await fake.until_left() == [3]


async def test_a_drain_answers_with_what_is_left_and_ends_the_process(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    async with child_process() as fake:
        await fake.start(tmp_path, sinks=nobody, drain_seconds=0.3)
        peer = await fake.peer(1)
        await peer.send(W(2) + J(1) + J(2))
        assert await peer.acks(1, keepalives=True) == [(2, 0)]

        drained = await fake.rpc.request(DRAIN, NOTHING, seconds=PATIENCE_SECONDS)

        assert drained.left == 2
        assert await fake.running == 0
        assert fake.loads[-1].is_draining
        assert fake.reports[-1].load.events == 2
        await peer.close()


async def test_told_to_leave_it_says_so_before_it_is_gone(tmp_path: Path) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)

        fake.child_process.stop()

        assert await fake.running == 0
        assert fake.reports[-1].load.is_draining


async def test_without_its_supervisor_it_brings_home_what_it_took(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)
        peer = await fake.peer(1)
        await peer.send(W(1) + J(1))
        await peer.acks(1)
        fake.rpc.close()

        assert await fake.running == 0
        assert await peer.rest() == []
        await peer.close()

    assert "the supervisor is gone" in caplog.text


async def test_what_comes_after_a_drain_began_is_closed_and_over(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    async with child_process() as fake:
        await fake.start(tmp_path, sinks=nobody, drain_seconds=10.0)
        held = await fake.peer(1)
        await held.send(W(1) + J(1))
        assert await held.acks(1, keepalives=True) == [(2, 0)]
        fake.child_process.stop()
        late = await fake.peer(2)

        assert await late.rest() == []
        assert await fake.until_left() == [2]
        await held.close()  # what it holds is given back, and the drain ends
        await late.close()


async def test_what_it_shows_is_one_workers_status(tmp_path: Path) -> None:
    async with child_process() as fake:
        await fake.start(tmp_path)

        seen = await fake.rpc.request(SNAPSHOT, NOTHING, seconds=PATIENCE_SECONDS)

    assert b'"listening":"at the supervisor"' in seen.status
    assert seen.readiness == []
    assert "ptingest_budget_limit_bytes" in {sample.name for sample in seen.samples}


async def test_a_config_it_cannot_use_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    profile = load_profile(packaged_profile_path(), {})
    broken = settings_for(tmp_path, beats={"tls": {"certificate": "/nowhere.pem"}})
    async with child_process() as fake:
        await fake.start(tmp_path)

        with pytest.raises(RpcRefused, match=r"/nowhere\.pem") as raised:
            await fake.rpc.request(PREPARE, pack_config(broken, profile), seconds=PATIENCE_SECONDS)
        await fake.rpc.request(SWAP, NOTHING, seconds=PATIENCE_SECONDS)

        assert raised.value.kind == "TlsUnusable"
        peer = await fake.peer(1)
        await peer.send(W(1) + J(1))
        assert await peer.acks(1) == [(2, 1)]  # still without TLS
        await peer.close()


async def test_a_config_is_in_force_from_the_swap_on_not_before(tmp_path: Path) -> None:
    profile = load_profile(packaged_profile_path(), {})
    async with child_process() as fake:
        await fake.start(tmp_path)
        fresh = settings_for(tmp_path, beats={"limits": {"total_bytes": "10MiB"}})

        async def limit() -> float:
            seen = await fake.rpc.request(SNAPSHOT, NOTHING, seconds=PATIENCE_SECONDS)
            (value,) = (
                s.values[0] for s in seen.samples if s.name == "ptingest_budget_limit_bytes"
            )
            return value

        before = await limit()
        await fake.rpc.request(PREPARE, pack_config(fresh, profile), seconds=PATIENCE_SECONDS)
        assert await limit() == before == 32 << 20
        await fake.rpc.request(SWAP, NOTHING, seconds=PATIENCE_SECONDS)

        assert await limit() == (10 << 20) // 2 // 2


async def test_a_start_that_fails_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with child_process() as fake:
        with pytest.raises(RpcRefused, match=r"/nowhere\.pem"):
            await fake.start(tmp_path, beats={"tls": {"certificate": "/nowhere.pem"}})
        with pytest.raises(RpcRefused, match="has not started yet"):
            await fake.rpc.request(SNAPSHOT, NOTHING, seconds=PATIENCE_SECONDS)


HANGS = """
import socket, sys, threading, time
from ptingest.workers.child import exit_with_supervisor
ours, theirs = socket.socketpair()
threading.Thread(target=exit_with_supervisor, args=(ours, 0.2), daemon=True).start()
time.sleep(0.5)  # no race: longer than it is let live, and it lives as long as it is not alone
print("still here", flush=True)
theirs.close()
while True:
    pass  # a loop that hangs
"""


@pytest.mark.timeout(60)
def test_even_a_worker_that_hangs_does_not_outlive_its_supervisor_for_long() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGS],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert (ended.returncode, ended.stdout) == (1, "still here\n"), ended.stderr

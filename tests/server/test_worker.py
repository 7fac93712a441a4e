from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from ptingest.model.document import Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import WriteResult
from ptingest.model.receipt import Receipt
from ptingest.server.assembly import build, read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.server.worker import Worker
from tests.support.raw_peer import J, W, peer_of
from tests.support.serving import MemorySink, serving
from tests.support.settings import server_settings
from tests.support.waiting import PATIENCE_SECONDS, until


async def test_the_http_port_answers_as_documented(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as http:
        base = f"http://127.0.0.1:{server.worker.api_port}"
        answers = {}
        for path in ("/livez", "/readyz", "/metrics", "/status"):
            async with http.get(base + path) as answer:
                answers[path] = (answer.status, (await answer.read())[:1])

    assert {path: status for path, (status, _) in answers.items()} == dict.fromkeys(answers, 200)


async def test_a_taken_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = server_settings(
            tmp_path, beats={"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        )
        parts = build(settings, read_profile(settings, {}), clock=SystemClock())

        with pytest.raises(OSError, match="in use"):
            await Worker(parts).run()


async def test_a_drain_that_runs_out_of_time_tells_how_much_is_left(tmp_path: Path) -> None:
    class Stuck(MemorySink):
        async def write(
            self, documents: Sequence[Document], doubtful: frozenset[Document]
        ) -> WriteResult:
            self.asked.set()
            return WriteResult(busy=documents, trouble="down")

    settings = server_settings(tmp_path).model_copy(update={"drain_seconds": 0.3})
    sink = Stuck()
    lane = settings.sinks.store
    assert lane is not None
    parts = build(
        settings, read_profile(settings, {}), clock=SystemClock(), replaced=[(sink, lane)]
    )
    worker = Worker(parts)
    running = asyncio.ensure_future(worker.run())
    await worker.started.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.beats_port)
    writer.write(W(2) + J(1) + J(2))
    await sink.asked.wait()

    worker.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        left = await running
        answered = await reader.read(-1)
    writer.close()

    assert left == 2
    assert b"2A\x00\x00\x00\x02" not in answered


async def test_a_part_that_dies_is_never_silent(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    parts = build(settings, read_profile(settings, {}), clock=SystemClock())
    worker = Worker(parts)

    async def die() -> None:
        await worker.started.wait()
        raise RuntimeError("the ticker died")

    parts.source.run = die  # type: ignore[method-assign]
    with pytest.raises(BaseExceptionGroup, match="unhandled errors") as raised:
        await worker.run()

    assert raised.group_contains(RuntimeError, match="the ticker died")


class Recorded:
    """A source and a buffer that note what is asked of them, in order."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self._asked = name, asked
        self.running = asyncio.Event()
        self.trouble: list[str] = []

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        raise AssertionError("nothing is sent in these tests")

    async def run(self) -> None:
        self.running.set()
        await asyncio.Event().wait()

    def stop_reading(self) -> None:
        self._asked.append(f"{self.name}: stop reading")

    async def finish_admitting(self, deadline: float) -> None:
        self._asked.append(f"{self.name}: finish admitting")

    async def drain(self, deadline: float) -> int:
        self._asked.append(f"{self.name}: drain")
        return 3

    async def close(self, deadline: float = 0.0) -> None:
        self._asked.append(f"{self.name}: close")

    def troubles(self) -> list[str]:
        return self.trouble

    def status(self) -> dict[str, object]:
        return {"is": self.name}


async def test_sources_and_buffer_are_stopped_in_the_order_of_travel(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    parts = build(settings, read_profile(settings, {}), clock=SystemClock())
    asked: list[str] = []
    source, buffer = Recorded("parcels", asked), Recorded("buffer", asked)
    parts.kafka.append(source)
    parts.buffer = buffer
    worker = Worker(parts)
    async with asyncio.timeout(PATIENCE_SECONDS):
        running = asyncio.ensure_future(worker.run())
        for one in (worker.started, source.running, buffer.running):
            await one.wait()
        assert worker.view.readiness() == []
        source.trouble, buffer.trouble = ["no broker answers"], ["no replica is in sync"]
        reasons = worker.view.readiness()
        status = worker.view.status()
        worker.stop()
        left = await running

    assert reasons == ["buffer: no replica is in sync", "source parcels: no broker answers"]
    assert (status["buffer"], status["kafka"]) == ({"is": "buffer"}, {"parcels": {"is": "parcels"}})
    assert asked == [
        "parcels: stop reading",
        "parcels: finish admitting",
        "buffer: drain",
        "parcels: close",
        "buffer: close",
    ]
    assert left == 3


async def test_role_index_opens_no_beats_port(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    parts = build(settings, read_profile(settings, {}), clock=SystemClock())
    parts.settings = settings.model_copy(update={"role": "index"})
    worker = Worker(parts)
    async with asyncio.timeout(PATIENCE_SECONDS):
        running = asyncio.ensure_future(worker.run())
        await worker.started.wait()
        readiness, status = worker.view.readiness(), worker.view.status()
        worker.stop()
        await running

    assert worker.beats_port == 0
    assert readiness == []
    assert (status["role"], status["listening"]) == ("index", "no Beats port (role: index)")


async def test_the_longest_pause_of_the_loop_is_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1))
        await peer.acks(1)
        await until(lambda: server.metric("ptingest_worker_loop_lag_seconds"))


async def test_logstashs_paths_tell_of_what_went_through(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as http:
        async with peer_of(server) as peer:
            await peer.send(W(2) + J(1) + J(2))
            await peer.acks(1)
        base = f"http://127.0.0.1:{server.worker.api_port}"
        async with http.get(base + "/_node/stats?vertices=true") as answer:
            stats = await answer.json()
        async with http.get(base + "/_health_report") as answer:
            health = await answer.json()

    assert (stats["events"]["in"], stats["events"]["out"]) == (2, 2)
    assert stats["http_address"] == f"127.0.0.1:{server.worker.api_port}"
    (output,) = stats["pipelines"]["main"]["plugins"]["outputs"]
    assert output["id"] == "memory"
    assert health["status"] == "green"


async def test_readiness_knows_of_a_sink_that_is_down_before_the_first_event(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with serving(tmp_path, sinks={"elasticsearch": {"hosts": [url]}}) as server:
            reasons = await until(server.worker.view.readiness)

    (reason,) = reasons
    assert reason.startswith(f"sink elasticsearch: no answer from {url}")


def test_what_beats_need_not_wait_for_is_not_imported_with_the_worker() -> None:
    code = "import sys, ptingest.workers.serve, ptingest.server.worker; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    late = {"aiohttp", "elasticsearch", "jinja2", "lark", "rich", "ptingest.api.console.pages"}
    assert late.isdisjoint(loaded.stdout.decode().split())

"""A whole worker on loopback, with a sink that a test can hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from ptingest.dead_letters.queue import read_letters
from ptingest.model.contracts import Clock
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.outcome import WriteResult
from ptingest.server.assembly import build, read_profile
from ptingest.server.process.clock import SystemClock
from ptingest.server.worker import Worker
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import LaneSettings
from tests.support.waiting import PATIENCE_SECONDS, until


class MemorySink:
    """Keeps documents; while ``open`` is clear a write does not return."""

    name = "memory"

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.keys: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        self.asked.set()
        await self.open.wait()
        again = [one for one in documents if one.key is not None and one.key in self.keys]
        fresh = [one for one in documents if one not in set(again)]
        self.keys |= {one.key for one in fresh if one.key}
        self.documents += fresh
        return WriteResult(already_stored=again)

    async def check(self) -> Sequence[Finding]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def messages(self) -> list[Any]:
        return [orjson.loads(one.body).get("message") for one in self.documents]


class Server:
    """One worker under test."""

    def __init__(self, worker: Worker, sink: MemorySink, data_dir: Path) -> None:
        self.worker, self.sink, self.data_dir = worker, sink, data_dir

    @property
    def port(self) -> int:
        return self.worker.beats_port

    def letters(self) -> list[Any]:
        return [one.letter for one in read_letters(self.data_dir / "dead_letters")]

    def metric(self, name: str, *labels: str) -> float:
        return self.worker.parts.metrics.value(name, *labels)

    def residues(self) -> list[int]:
        books = self.worker.view.books()
        return [row["residue"] for rows in books.values() for row in rows.values()]

    async def until(self, name: str, value: float, *labels: str) -> None:
        """Wait until a counter has reached ``value``."""
        await until(lambda: self.metric(name, *labels) >= value)


@contextlib.asynccontextmanager
async def serving(
    tmp_path: Path,
    *,
    sink: MemorySink | None = None,
    sinks: dict[str, Any] | None = None,
    clock: Clock | None = None,
    drain_seconds: float = 1.0,
    concurrency: int = 4,
    dead_letters: dict[str, Any] | None = None,
    api: dict[str, Any] | None = None,
    why: dict[str, Any] | None = None,
    profile: Path | None = None,
    others: dict[str, Any] | None = None,
    **beats: Any,
) -> AsyncIterator[Server]:
    """Run a worker with ``beats`` settings on a free port; drained and balanced at the end.

    Documents go to a ``MemorySink``, or to the real ``sinks`` where those are given. ``others`` are
    further keys of the config.
    """
    settings = ServerSettings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "drain_seconds": drain_seconds,
            "dead_letters": dead_letters or {},
            "why": why or {},
            **({"profile": str(profile)} if profile else {}),
            **({"sinks": sinks} if sinks else {}),
            **(others or {}),
            "api": {"listen": "127.0.0.1:0", **(api or {})},
            "beats": {"listen": "127.0.0.1:0", "keepalive_seconds": 0.2, **beats},
        }
    )
    sink = sink or MemorySink()
    lane = LaneSettings.model_validate(
        {
            "concurrency": concurrency,
            "batch": {"max_age_seconds": 0.02},
            "retry": {"initial_seconds": 0.005, "max_seconds": 0.02},
        }
    )
    parts = build(
        settings,
        read_profile(settings, {}),
        clock=clock or SystemClock(),
        replaced=None if sinks else [(sink, lane)],
    )
    worker = Worker(parts)
    running = asyncio.ensure_future(worker.run())
    started = asyncio.ensure_future(worker.started.wait())
    await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    server = Server(worker, sink, tmp_path / "data")
    try:
        yield server
    finally:
        sink.open.set()
        worker.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
        assert set(server.residues()) <= {0}

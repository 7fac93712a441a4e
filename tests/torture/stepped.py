"""The server in this process, with a wall clock that steps under its feet."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptingest.server.assembly import build, read_profile
from ptingest.server.worker import Worker
from ptingest.settings.server import ServerSettings


class SteppingClock:
    """Tells the right monotonic time and whatever wall time it is told to."""

    def __init__(self) -> None:
        self.step_seconds = 0.0

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns() + int(self.step_seconds * 1e9)


class SteppedServer:
    """As ``ServerProcess``, without a process: it cannot be killed, its clock can be set."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.clock = SteppingClock()
        self.data_dir = folder / "data"
        self._settings = ServerSettings.model_validate(
            {
                "data_dir": str(self.data_dir),
                "drain_seconds": 10,
                "api": {"listen": "127.0.0.1:0"},
                **config,
                "beats": {"listen": "127.0.0.1:0", "keepalive_seconds": 0.5},
            }
        )
        self._said = io.StringIO()
        self._handler = logging.StreamHandler(self._said)
        self._worker: Worker | None = None
        self._running: asyncio.Task[int] | None = None

    @property
    def port(self) -> int:
        assert self._worker is not None
        return self._worker.beats_port

    async def start(self) -> None:
        """Run it as a task; returns when it listens."""
        logging.getLogger("ptingest").addHandler(self._handler)
        profile = read_profile(self._settings, {})
        self._worker = Worker(build(self._settings, profile, clock=self.clock))
        self._running = asyncio.ensure_future(self._worker.run())
        started = asyncio.ensure_future(self._worker.started.wait())
        await asyncio.wait((self._running, started), return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            self._running.result()

    async def stop(self) -> int:
        """Drain; returns the exit code a process would have."""
        assert self._worker is not None
        assert self._running is not None
        self._worker.stop()
        return 5 if await self._running else 0

    def discard(self) -> None:
        """Nothing is left running after ``stop``; before it, the task is cancelled."""
        logging.getLogger("ptingest").removeHandler(self._handler)
        if self._running is not None:
            self._running.cancel()

    def log_text(self) -> str:
        """Warnings and errors it logged."""
        return self._said.getvalue()

    async def status(self) -> dict[str, Any]:
        """Return what ``/status`` says."""
        assert self._worker is not None
        return self._worker.view.status()

"""The server under torture: a process of its own, so that kill -9 is kill -9.

server = ServerProcess(folder, sinks={...})
await server.start()                  # returns when it listens
server.kill()                         # SIGKILL, and gone
await server.start()                  # the same ports, the same data
await server.stop()                   # SIGTERM; returns the exit code
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import family, free_port
from tests.support.tcp import close
from tests.support.waiting import until_told

START_SECONDS = 90.0


class DidNotStart(Exception):
    """The server ended, or stayed silent, before it was of use."""


class ServerProcess:
    """``ptingest --config``, started and ended as often as it takes."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder = folder
        self.port, self.api_port = free_port(), free_port()
        self.starts = 0
        beats = {"listen": f"127.0.0.1:{self.port}", "keepalive_seconds": 0.5}
        merged = {
            "data_dir": "data",
            "drain_seconds": 10,
            "api": {"listen": f"127.0.0.1:{self.api_port}"},
            "log": {"level": "info"},
            **config,
            "beats": {**beats, **config.get("beats", {})},
        }
        self.config_path = folder / "ptingest.yaml"
        self.config_path.write_text(json.dumps(merged, indent=1), encoding="utf-8")
        self.log_path = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """The processes that do the work; none where the server does it itself."""
        return family(self.pid)[1:] if self.is_running else []

    def kill_a_worker(self, chance: random.Random) -> bool:
        """SIGKILL one of several; False when none is there just now."""
        pids = self.worker_pids()
        with contextlib.suppress(ProcessLookupError):
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)
                return True
        return False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    async def start(self) -> None:
        """Start it; returns when its port and its API answer."""
        self._launch()

        async def is_live() -> bool:
            if not self.is_running:
                raise DidNotStart(self.log_text()[-3000:])
            return await self._get("/livez") is not None

        await until_told(is_live, seconds=START_SECONDS)

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ptingest.cli.main", "--config", str(self.config_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.is_running:
            assert self._process is not None
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Return its exit code when it has left."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)

    async def stop(self) -> int:
        """Ask it to drain and leave; return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    def discard(self) -> None:
        """End it in any case, after a run."""
        if self.is_running:
            self.kill()

    def log_text(self) -> str:
        """Everything it said, over all its lives."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    async def status(self) -> dict[str, Any]:
        """Return ``/status``."""
        body = await self._get("/status")
        assert body is not None, "the server does not answer /status"
        found: dict[str, Any] = json.loads(body)
        return found

    async def is_ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        return await self._get("/readyz") is not None

    async def not_ready_because(self) -> str:
        """What ``/status`` says against readiness; "" where nothing does."""
        return "; ".join((await self.status())["not_ready_because"])

    async def metrics(self) -> dict[str, float]:
        """Return ``/metrics`` as name with labels -> value."""
        found = await self.metrics_if_any()
        assert found, "the server does not answer /metrics"
        return found

    async def metrics_if_any(self) -> dict[str, float]:
        """As ``metrics``; empty when the server cannot answer."""
        body = await self._get("/metrics") or b""
        pairs = (
            line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#")
        )
        return {name: float(value) for name, _, value in pairs}

    def rss_bytes(self) -> tuple[int, int]:
        """Resident memory now and at its highest."""
        fields = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                fields[name] = int(value.split()[0]) << 10
        return fields["VmRSS"], fields["VmHWM"]

    def cpu_seconds(self) -> float:
        """Processor time it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _get(self, path: str) -> bytes | None:
        """One HTTP GET; None when nobody listens or the answer is cut short."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.api_port)
        except OSError:
            return None
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        except OSError:
            return None
        finally:
            await close(writer)
        return body if head.startswith(b"HTTP/1.1 200") else None

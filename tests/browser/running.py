"""A real server for a browser to look at: a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks import processes
from tests.fakes.beat import Beat


@dataclass(frozen=True, slots=True)
class Running:
    """Where it is, and how to send it something."""

    folder: Path
    config: Path
    beats_port: int
    api_port: int
    process: subprocess.Popen[bytes]

    @property
    def origin(self) -> str:
        """Scheme, host and port of the console."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def console(self) -> str:
        """The address of the first page, with its slash."""
        return f"{self.origin}/console/"

    def send_lines(self, lines: Iterable[str | bytes], *, service: str) -> None:
        """Ship log lines as ``ptingest send`` does; returns when they are acked, so stored."""
        data = [line.encode() if isinstance(line, str) else line for line in lines]
        log = self.folder / f"{service}.log"
        with log.open("ab") as file:
            file.writelines(line + b"\n" for line in data)
        self._send("--service", service, "--registry", str(self.folder / "send.json"), str(log))

    def send_events(self, events: Iterable[dict[str, Any] | bytes]) -> None:
        """Ship whole events, any fields or any bytes; returns when they are acked."""
        window = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        asyncio.run(Beat(self.beats_port).deliver([window]))

    def status(self) -> dict[str, Any]:
        """What /status says now."""
        with urlopen(f"{self.origin}/status", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _send(self, *words: str) -> None:
        to = f"127.0.0.1:{self.beats_port}"
        subprocess.run(
            [*processes.SERVER, "send", "--to", to, *words],
            cwd=processes.ROOT, check=True, capture_output=True, timeout=60,
        )  # fmt: skip


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Running]:
    """Serve from ``folder`` until the block is left; ``settings`` replace whole sections.

    ``api`` is merged, so that ``api={"token": "..."}`` keeps the address.
    """
    beats_port, api_port = processes.free_port(), processes.free_port()
    config = folder / "ptingest.yaml"
    written: dict[str, Any] = {
        "data_dir": "data",
        "beats": {"listen": f"127.0.0.1:{beats_port}"},
        "log": {"level": "warning"},
        **settings,
        "api": {"listen": f"127.0.0.1:{api_port}", **settings.get("api", {})},
    }
    config.write_text(json.dumps(written), encoding="utf-8")
    process = subprocess.Popen([*processes.SERVER, "--config", str(config)], cwd=folder)
    try:
        processes.wait_listening(process, beats_port)
        processes.wait_listening(process, api_port)
        yield Running(folder, config, beats_port, api_port, process)
    finally:
        processes.stop(process)

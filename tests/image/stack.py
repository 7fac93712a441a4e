"""The stack of `deploy/compose.yaml` in an engine, by Docker Compose itself."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

from ptingest.dead_letters.queue import read_letters
from tests.image import machine
from tests.image.engine import Engine
from tests.peers.tools import go_program
from tests.support.modules import DEPLOY
from tests.support.waiting import wait_until
from tests.torture.oracle import Oracle
from tests.torture.places import judge_letters, judge_store

COMPOSE = Path(__file__).parent / "compose"
PASSWORDS = {
    "ELASTIC_PASSWORD": "elastic-secret_1",
    "ELASTICSEARCH_PASSWORD": "kibana-secret_1",
    "LOGSTASH_WRITER_PASSWORD": "writer-secret_1",
    "API_TOKEN": "token-secret_0123456",
}
SERVED = {"elasticsearch": 65535, "ptingest": 65535}
"""Services that ask for open files, and for how many."""
START_SECONDS = 300.0


class Stack:
    """Services, started as ``docker compose up`` does and looked at from outside."""

    def __init__(self, engine: Engine, folder: Path, *, config: Path | None = None) -> None:
        """``config`` takes the place of the server's in its container."""
        self.engine, self.folder = engine, folder
        self._here = folder / "here.yaml"
        self._here.write_text(_overrides(config), encoding="utf-8")

    def compose(self, *words: str) -> str:
        """Run ``docker compose`` with the file as it is, and the overrides of this machine."""
        files = ("--file", DEPLOY / "compose.yaml", "--file", self._here)
        program = go_program(COMPOSE, "docker-compose")
        return self.engine.run(program, *files, *words, **PASSWORDS)

    def up(self, *words: str) -> None:
        """Create and start services; nothing is built or pulled."""
        self.compose("up", "--no-build", "--pull", "never", "--detach", *words)

    def inspect(self, service: str) -> Any:
        """What the engine knows of a service's container."""
        return self.engine.inspect(self.container(service))

    def container(self, service: str) -> str:
        """The id of a service's container, which may have ended."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def logs(self, service: str) -> str:
        return self.engine.logs(self.container(service))

    def wait_until_healthy(self, service: str, *, restarts: int = 0) -> None:
        """Wait for the service's own health check, after so many restarts."""

        def is_healthy() -> bool:
            found = self.inspect(service)
            is_again = int(found["RestartCount"]) >= restarts
            return is_again and str(found["State"].get("Health", {}).get("Status")) == "healthy"

        wait_until(is_healthy, seconds=START_SECONDS, otherwise=lambda: self._state(service))

    def _state(self, service: str) -> str:
        return f"{self.inspect(service)['State']}\n{self.logs(service)[-4000:]}"

    def kill(self, service: str) -> None:
        """``kill -9`` of the container's first process, as the kernel does when memory ends.

        Not by the engine, which would take it for a wish that it stays away.
        """
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)

    def volume(self, name: str) -> Path:
        """Where a volume lies."""
        return Path(self.engine.inspect(f"elk_{name}")["Mountpoint"])

    def judge_volume(self, oracle: Oracle) -> list[str]:
        """Read a copy of the server's own places: what is read in its place leaves files of root.

        Returns why each dead letter is one.
        """
        copy = self.folder / "volume"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.volume("ptingest-data"), copy)
        judge_store(copy / "store.sqlite", oracle)
        judge_letters(copy, oracle)
        return [repr(one.letter) for one in read_letters(copy / "dead_letters")]


def _overrides(config: Path | None) -> str:
    """What differs on this machine: fewer open files where the limit is low, a config."""
    limit = machine.open_files()
    lines = ["services:"]
    for service, wanted in SERVED.items():
        lines.append(f"  {service}:")
        lines.append("    stdin_open: false")
        if limit < wanted:
            lines.append(f"    ulimits: !override {{nofile: {{soft: {limit}, hard: {limit}}}}}")
        if config is not None and service == "ptingest":
            lines.append(f"    volumes: ['{config}:/etc/ptingest/ptingest.yaml:ro']")
    return "\n".join(lines) + "\n"

"""Two Lumberjack clients from npm, run by `npm/send.js`.

`lumberjack-client` speaks v2 and never reads an ack; `lumberjack-protocol` speaks v1 and
wants every ack in version 1. Needs Node and npm on the path.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.tools import building

FOLDER = Path(__file__).parent / "npm"


def install() -> None:
    """Install what package-lock.json names, when it is not there or the lock is newer.

    Raises:
        FileNotFoundError: there is no `npm` on the path.
        CalledProcessError: npm failed; its words are on standard error.
    """
    lock, done = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    with building(FOLDER):
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run(command, cwd=FOLDER, check=True)


class Sender:
    """One client that has begun to send; what it says is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_for(self, fact: str) -> int:
        """The number the client tells for ``sent`` or ``acked``; blocks until it does.

        Raises:
            AssertionError: the client ended without telling it.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            if fact in told:
                return int(told[fact])
        raise AssertionError(f"the client ended and never told {fact!r}")


@contextmanager
def sending(client: str, port: int, file: Path, ca: Path | None = None) -> Iterator[Sender]:
    """Run a client with the events of an NDJSON file; it stays connected until the end."""
    words = ["node", "--no-deprecation", "send.js", client, str(port), str(file)]
    process = subprocess.Popen(
        words + ([str(ca)] if ca else []),
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Sender(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

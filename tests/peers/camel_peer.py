"""Apache Camel's Lumberjack component, a Beats server in Java, as a process.

with camel_server(port, output) as camel: ...    decodes, tells and acks every event
python -m tests.peers.camel_peer 5044            becomes one that only counts
python -m tests.peers.camel_peer 5044 http://127.0.0.1:9200    or writes to an Elasticsearch
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.maven_peer import classpath
from tests.peers.tools import require_tool

FOLDER = Path(__file__).parent / "camel"


def command(port: int, *, tell: bool = False, elasticsearch: str | None = None) -> list[str]:
    """The command line of a server, built first if need be; ``tell`` prints each message."""
    words = [require_tool("java"), "-Xms64m", "-Xmx512m", "-cp", classpath(FOLDER), "CamelPeer"]
    return [*words, str(port), *["messages"] * tell, *([elasticsearch] if elasticsearch else [])]


@contextmanager
def camel_server(port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that prints each message into ``output``, from when it listens on."""
    with output.open("wb") as told:
        process = subprocess.Popen(command(port, tell=True), stdout=told)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Become the server; the process is then Java alone, as one measures it."""
    words = command(int(sys.argv[1]), elasticsearch=next(iter(sys.argv[2:]), None))
    os.execv(words[0], words)


if __name__ == "__main__":
    main()

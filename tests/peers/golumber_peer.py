"""go-lumber, the client inside Filebeat's logstash output, as a program to run in tests.

The Go program is in `golumber/`; it is built once for each checkout and again when one of
its files is newer than the binary. Needs Go on the path.

    python -m tests.peers.golumber_peer 5044     becomes its server, which acks everything
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from tests.peers.tools import go_program

FOLDER = Path(__file__).parent / "golumber"
BINARY = FOLDER / "golumber-peer"


class Sent(NamedTuple):
    """What the client said at its end."""

    events: int
    events_sent: int
    events_acked: int
    events_resent: int
    windows_acked: int
    connections: int
    errors: int
    last_error: str
    seconds: float
    events_per_second: float
    ack_ms_p50: float
    ack_ms_p99: float


def build() -> Path:
    """Return the binary, built when it is missing or older than its sources.

    Raises:
        FileNotFoundError: there is no `go` on the path.
        CalledProcessError: it does not compile; the compiler's words are on standard error.
    """
    return go_program(FOLDER, BINARY.name)


def command(port: int, file: Path, **flags: object) -> list[str]:
    """The command line of a client; ``share=True`` is ``-share``, ``tls_ca`` is ``-tls-ca``."""
    words = [str(BINARY), "-addr", f"127.0.0.1:{port}", "-file", str(file)]
    for name, value in flags.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words.append(f"-{name.replace('_', '-')}={text}")
    return words


def read_report(line: str) -> Sent:
    """The client's last line, as a value."""
    return Sent(**json.loads(line))


def main() -> None:
    """Become the server; the process is then the Go program alone, as one measures it."""
    words = [str(build()), "-serve", "-addr", f"127.0.0.1:{int(sys.argv[1])}"]
    os.execv(words[0], words)


if __name__ == "__main__":
    main()

"""Before the server is there: a SIGHUP is kept, and what is written is its owner's."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ptingest.cli import entry
from tests.support.raw_peer import J, W
from tests.support.waiting import wait_until

BEGIN = "import sys; sys.argv[0] = 'ptingest'; from ptingest.cli.entry import main; main()"


@pytest.mark.parametrize(
    ("line", "serves"),
    [
        ("serve", True),
        ("serve --config a.yaml", True),
        ("--config a.yaml", True),
        ("--config=a.yaml", True),
        ("--config a.yaml serve", True),
        ("--config a.yaml check", False),
        ("--config=a.yaml check", False),
        ("tap --config a.yaml", False),
        ("dead-letters list", False),
        ("--help", False),
        ("", False),
    ],
)
def test_only_a_server_keeps_its_hangups(
    line: str, serves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked: list[int] = []
    monkeypatch.setattr(signal, "pthread_sigmask", lambda _, what: blocked.extend(what))

    entry.keep_hangup(line.split())

    assert blocked == ([signal.SIGHUP] if serves else [])


def blocks_hangup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(mask.split()[1], 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.timeout(60)
def test_a_hangup_before_the_server_is_up_reloads_it_once_it_is(tmp_path: Path) -> None:
    config = {
        "data_dir": "data",
        "beats": {"listen": "127.0.0.1:0"},
        "api": {"listen": "127.0.0.1:0"},
        "sinks": {"store": {}, "ndjson": {}},
    }
    path = tmp_path / "ptingest.yaml"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-c", BEGIN, "--config", str(path)]
    mask = os.umask(0)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    finally:
        os.umask(mask)
    with process:
        assert process.stderr is not None
        wait_until(lambda: blocks_hangup(process.pid))
        process.send_signal(signal.SIGHUP)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "listening for Beats" in line:
                import socket

                port = int(line.rstrip().rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port)) as beat:
                    beat.sendall(W(2) + J(1) + J(2, b"no json"))
                    answer = beat.recv(6)
                    while answer[2:] != b"\0\0\0\2":
                        answer = beat.recv(6)
            if "reload" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait() == 0

    assert "reload" in lines[-1], lines
    written = list((tmp_path / "data").rglob("*"))
    assert {"store.sqlite", "documents.ndjson", "dead_letters", "lock"} <= {
        one.name for one in written
    }
    open_to_others = [one for one in written if stat.S_IMODE(one.stat().st_mode) & 0o077]
    assert open_to_others == []

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.modules import ROOT
from tests.support.raw_peer import J, W
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.timeout(60)  # a process starts and stops


@contextmanager
def served(folder: Path, **keys: object) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run ``ptingest --config`` and yield it with the lines it said until it was up."""
    config = {"beats": {"listen": "127.0.0.1:0"}, "api": {"listen": "127.0.0.1:0"}, **keys}
    path = folder / "ptingest.yaml"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "ptingest.cli.main", "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "send a first event" in line:
                break
        try:
            yield process, lines
        finally:
            if process.poll() is None:
                process.kill()


def port_in(lines: list[str]) -> int:
    line = next(line for line in lines if "listening for Beats" in line)
    return int(line.rstrip().rpartition(":")[2])


def test_the_first_lines_say_what_listens_where_and_how_to_send(tmp_path: Path) -> None:
    with served(tmp_path) as (process, lines):
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0

    said = "".join(lines)
    port = port_in(lines)
    assert "http://127.0.0.1:" in said
    assert f"documents go to store; data in {tmp_path / 'data'}" in said
    assert f"--to 127.0.0.1:{port}" in said


def test_the_first_event_is_of_a_group_that_the_profile_takes(tmp_path: Path) -> None:
    profile = (ROOT / "config" / "pt.yaml").read_text().replace("- group: pt", "- group: big shop")
    (tmp_path / "shop.yaml").write_text(profile)
    with served(tmp_path, profile="shop.yaml") as (process, lines):
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0

    assert "--service django --group 'big shop' --to" in lines[-1]


def test_kill_9_loses_nothing_that_was_acked(tmp_path: Path) -> None:
    with served(tmp_path) as (process, lines):
        with socket.create_connection(
            ("127.0.0.1", port_in(lines)), timeout=PATIENCE_SECONDS
        ) as peer:
            peer.sendall(W(3) + J(1) + J(2) + J(3))
            acked = b""
            while not acked.endswith(b"2A\x00\x00\x00\x03"):
                acked += peer.recv(6)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    found = run("search", "*", "--json", "--config", "ptingest.yaml", folder=tmp_path)
    assert found.code == 0, found.err
    assert len(found.out.splitlines()) == 3


def test_a_second_server_on_the_same_data_dir_is_refused(tmp_path: Path) -> None:
    with served(tmp_path):
        refused = run("serve", "--config", "ptingest.yaml", folder=tmp_path)

    assert refused.code == 1
    assert "in use by another ptingest" in refused.err


def test_a_stop_with_documents_unsettled_is_code_5(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    with served(tmp_path, sinks=nobody, drain_seconds=0.5) as (process, lines):
        with socket.create_connection(
            ("127.0.0.1", port_in(lines)), timeout=PATIENCE_SECONDS
        ) as peer:
            peer.sendall(W(1) + J(1))
            assert peer.recv(6) == b"2A\x00\x00\x00\x00"  # a keepalive: it is being tried
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 5


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ("beats: {lisen: x}\n", 3, "beats.lisen"),
        ("data_dir: c.yaml\n", 1, "c.yaml cannot be used: File exists"),
        ("beats: {listen: '203.0.113.1:1'}\n", 1, "beats.listen 203.0.113.1:1: "),
        (
            "beats: {listen: '127.0.0.1:0'}\napi: {listen: '203.0.113.1:1'}\n",
            1,
            "api.listen 203.0.113.1:1: ",
        ),
    ],
)
def test_what_cannot_be_served_is_said_with_a_code(
    config: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(config)
    command = [sys.executable, "-m", "ptingest.cli.main", "serve", "--config", "c.yaml"]

    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr

"""The whole server as a shell sees it, with several workers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from benchmarks.processes import family, free_port, proc_file
from tests.support.raw_peer import J, W
from tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.timeout(60)  # several processes start and stop


class Serving:
    """``ptingest --config`` with two workers."""

    def __init__(self, folder: Path, **keys: object) -> None:
        self.folder = folder
        self.port, self.api_port = free_port(), free_port()
        self.config = folder / "ptingest.yaml"
        self.write(**keys)
        self.log = folder / f"{self.port}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ptingest.cli.main", "--config", str(self.config)],
                stderr=log,
            )
        self.pids: list[int] = []

    def write(self, **keys: object) -> None:
        config = {
            "workers": 2,
            "beats": {"listen": f"127.0.0.1:{self.port}"},
            "api": {"listen": f"127.0.0.1:{self.api_port}"},
            **keys,
        }
        self.config.write_text(json.dumps(config))

    def until(self, what: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        wait_until(what, seconds=seconds, otherwise=self.log.read_text)

    def until_up(self) -> None:
        self.until(lambda: self.log.read_text().count("started, pid") == 2)
        self.until(lambda: "send a first event" in self.log.read_text())
        self.pids = family(self.process.pid)[1:]

    def begun_workers(self) -> list[int]:
        """Children that are workers by now, up or not."""
        return [
            pid
            for pid in family(self.process.pid)[1:]
            if "ptingest.workers.child" in proc_file(pid, "cmdline")
        ]

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def send(self, *seqs: int) -> None:
        """Send one window on a connection of its own and wait for its ack."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as peer:
            peer.sendall(W(len(seqs)) + b"".join(map(J, seqs)))
            acked = b""
            while not acked.endswith(b"2A" + seqs[-1].to_bytes(4, "big")):
                acked += peer.recv(6)

    def status(self) -> dict[str, object]:
        with urlopen(
            f"http://127.0.0.1:{self.api_port}/status", timeout=PATIENCE_SECONDS
        ) as answer:
            found: dict[str, object] = json.load(answer)
        return found

    def workers_are_gone(self) -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in self.pids)


@contextlib.contextmanager
def server_process(folder: Path, **keys: object) -> Iterator[Serving]:
    server = Serving(folder, **keys)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        for pid in server.pids:  # who was stopped by a test would hear nothing else
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        server.process.wait()
        server.until(server.workers_are_gone)


def test_a_signal_drains_all_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        server.until_up()
        server.send(1, 2)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait() == 0
        assert server.workers_are_gone()

    assert server.says("drained: everything that was taken is safe and acked")


@pytest.mark.timeout(120)
def test_a_signal_before_any_worker_is_up_leaves_without_waiting_for_one(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        # A child that is stopped before it has become a worker would hold its parent too.
        server.until(lambda: len(server.begun_workers()) == 2)
        server.pids = server.begun_workers()
        for pid in server.pids:  # none of them will ever come up
            os.kill(pid, signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(timeout=45) == 0  # a worker has 60 s to come up
        assert server.workers_are_gone()

    assert not server.says("started, pid")
    assert server.says("no worker is running: nothing to drain")
    assert not server.says("Traceback")


def test_a_second_signal_leaves_at_once_and_takes_the_workers_along(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    with server_process(tmp_path, sinks=nobody) as server:
        server.until_up()
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(W(1) + J(1))
            assert peer.recv(6) == b"2A\x00\x00\x00\x00"  # a keepalive: it is being tried
            server.process.send_signal(signal.SIGTERM)
            server.until(lambda: server.says("draining 2 workers"))
            server.process.send_signal(signal.SIGTERM)

            assert server.process.wait() == 130
            server.until(server.workers_are_gone, 15.0)  # a drain has 20


def test_a_stop_with_documents_unsettled_is_code_5(tmp_path: Path) -> None:
    nobody = {"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}}
    with server_process(tmp_path, sinks=nobody, drain_seconds=0.5) as server:
        server.until_up()
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(W(1) + J(1))
            assert peer.recv(6) == b"2A\x00\x00\x00\x00"
            server.process.send_signal(signal.SIGTERM)

            assert server.process.wait() == 5


def test_after_kill_9_of_the_supervisor_the_workers_leave_and_the_next_one_serves(
    tmp_path: Path,
) -> None:
    with server_process(tmp_path) as first:
        first.until_up()
        first.send(1, 2, 3)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        first.until(first.workers_are_gone)
    with server_process(tmp_path) as second:
        second.until_up()
        second.send(4)
        second.process.send_signal(signal.SIGTERM)
        second.process.wait()

    found = subprocess.run(
        [sys.executable, "-m", "ptingest.cli.main", "search", "*", "--json", "--config",
         str(second.config)], capture_output=True, check=True,
    )  # fmt: skip
    assert len(found.stdout.splitlines()) == 4


def test_the_service_manager_hears_of_the_supervisor_once_workers_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        with server_process(tmp_path) as server:
            heard = [manager.recv(1000).decode() for _ in range(3)]
            server.send(1)
            server.process.send_signal(signal.SIGTERM)
            while not (last := manager.recv(1000).decode()).startswith("STOPPING=1"):
                assert last == "WATCHDOG=1"
            assert server.process.wait() == 0

    assert heard == [
        f"READY=1\nSTATUS=listening for Beats on 127.0.0.1:{server.port}",
        "WATCHDOG=1",
        "WATCHDOG=1",
    ]


def test_sighup_changes_all_workers_or_none(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        server.until_up()
        server.write(beats={"listen": f"127.0.0.1:{server.port}", "keepalive_seconds": 7})
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: server.says("config reloaded"))
        server.write(beats={"lisen": "x"})
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: server.says("beats.lisen"))
        status = server.status()
        server.send(1)

    assert isinstance(status["config"], dict)
    assert status["config"]["reloads"] == 1
    assert "beats.lisen" in str(status["config"]["last_error"])
    assert server.says("the old one stays in force")


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ("workers: 99\n", 3, "workers is 99"),
        ("workers: 2\nsinks: {ndjson: {path: '-'}}\n", 3, "sinks.ndjson.path is -"),
        ("workers: 2\nbeats: {tls: {certificate: nowhere.pem}}\n", 3, "nowhere.pem"),
        ("workers: 2\nbeats: {listen: '203.0.113.1:1'}\n", 1, "beats.listen 203.0.113.1:1: "),
        (
            "workers: 2\nbeats: {listen: '127.0.0.1:0'}\napi: {listen: '203.0.113.1:1'}\n",
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

    assert (ran.returncode, "Traceback" in ran.stderr) == (code, False), ran.stderr
    assert re.search(re.escape(said), ran.stderr), ran.stderr

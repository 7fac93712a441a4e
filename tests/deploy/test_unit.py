"""deploy/ptingest.service: read by systemd's own verifier; its protocol on a real socket."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ptingest.cli.exit_codes import ExitCode
from ptingest.settings.load import load_server
from tests.peers.tools import optional_tool
from tests.support.modules import DEPLOY
from tests.support.waiting import PATIENCE_SECONDS

UNIT = DEPLOY / "ptingest.service"


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser["Service"]


@pytest.mark.peer
@pytest.mark.timeout(30)
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = optional_tool("systemd-analyze")
    program = shutil.which("true")
    assert program is not None
    unit = tmp_path / UNIT.name
    # The verifier wants the program to exist here.
    unit.write_text(UNIT.read_text().replace("/opt/ptingest/bin/ptingest", program))

    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.peer
@pytest.mark.timeout(30)
def test_systemd_calls_it_hardened() -> None:
    analyze = optional_tool("systemd-analyze")
    command = [analyze, "security", "--offline=true", "--threshold=20", UNIT]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_manager_waits_longer_than_the_drain(service: configparser.SectionProxy) -> None:
    drain = load_server(None, {}).drain_seconds

    assert int(service["TimeoutStopSec"]) > drain + 3


def test_an_invalid_config_is_not_tried_again(service: configparser.SectionProxy) -> None:
    assert int(service["RestartPreventExitStatus"]) == ExitCode.CONFIG_INVALID


def test_it_reloads_by_the_signal_that_reloads(service: configparser.SectionProxy) -> None:
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.timeout(30)
def test_a_server_tells_its_manager_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    config = tmp_path / "ptingest.yaml"
    config.write_text('beats: {listen: "127.0.0.1:0"}\napi: {listen: "127.0.0.1:0"}\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_SECONDS)
        environ = {
            **os.environ,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "100000",
        }
        command = [sys.executable, "-m", "ptingest.cli.main", "--config", str(config)]
        with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as server:
            told = [manager.recv(4096).decode() for _ in range(3)]
            server.send_signal(signal.SIGTERM)
            while not told[-1].startswith("STOPPING"):
                told.append(manager.recv(4096).decode())

    assert told[0].startswith("READY=1\nSTATUS=listening for Beats on 127.0.0.1:")
    assert told[1] == "WATCHDOG=1"
    assert told[-1] == "STOPPING=1\nSTATUS=draining"
    assert server.returncode == 0

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.server.process.systemd import Notifier
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture(params=["a file", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The service manager's end, and what NOTIFY_SOCKET says."""
    name = f"ptingest-test-{os.getpid()}-{request.node.name}"
    is_file = request.param == "a file"
    address = str(tmp_path / "notify") if is_file else "\0" + name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(address)
        end.settimeout(PATIENCE_SECONDS)
        yield end, address if is_file else "@" + name


def test_ready_and_stopping_are_told(manager: tuple[socket.socket, str]) -> None:
    end, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})

    notifier.ready("listening for Beats on 127.0.0.1:5044")
    notifier.stopping()

    assert end.recv(4096) == b"READY=1\nSTATUS=listening for Beats on 127.0.0.1:5044"
    assert end.recv(4096) == b"STOPPING=1\nSTATUS=draining"


async def test_the_watchdog_is_fed_twice_as_often_as_needed(
    manager: tuple[socket.socket, str],
) -> None:
    end, address = manager
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier(environ)

    feeding = asyncio.create_task(notifier.feed_watchdog())
    first, second = [await asyncio.to_thread(end.recv, 64) for _ in range(2)]
    feeding.cancel()

    assert notifier.watchdog_seconds == 0.01
    assert first == second == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"},
    ],
    ids=["none", "zero", "no number", "meant for another process"],
)
async def test_without_a_watchdog_nothing_is_fed(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)

    await notifier.feed_watchdog()

    assert notifier.watchdog_seconds is None


def test_where_nobody_asked_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready("listening")

    assert caplog.records == []


def test_a_manager_that_is_gone_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("listening")

    assert "cannot tell the service manager" in caplog.text

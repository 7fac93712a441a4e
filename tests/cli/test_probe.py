"""`ptingest probe` against a real worker."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.cli.running import Ran, run
from tests.flow.harness import serving


async def ask(port: int, *arguments: str, folder: Path) -> Ran:
    return await asyncio.to_thread(
        run, "probe", "--address", f"127.0.0.1:{port}", *arguments, folder=folder
    )


async def test_a_ready_server_is_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await ask(server.worker.api_port, folder=tmp_path)

    assert (ran.code, ran.out, ran.err) == (0, b"ready\n", "")


async def test_one_that_is_not_ready_says_why_and_is_alive(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.worker.view.draining = True
        ready = await ask(server.worker.api_port, folder=tmp_path)
        live = await ask(server.worker.api_port, "--live", folder=tmp_path)

    assert (ready.code, ready.err) == (4, "draining: this process is stopping\n")
    assert (live.code, live.out) == (0, b"live\n")


def test_nobody_there_is_not_reachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    ran = run("probe", "--address", f"127.0.0.1:{port}", folder=tmp_path)

    assert ran.code == 4
    assert f"nobody answers at 127.0.0.1:{port}" in ran.err


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        ran = run("probe", "--address", address, "--timeout", "0.1", folder=tmp_path)

    assert ran.code == 4


async def test_the_config_says_where_and_all_addresses_mean_loopback(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        config = tmp_path / "ptingest.yaml"
        config.write_text(f'api: {{listen: "0.0.0.0:{server.worker.api_port}"}}\n')
        ran = await asyncio.to_thread(run, "probe", "--config", config, folder=tmp_path)

    assert ran.code == 0


@pytest.mark.parametrize("address", ["host:", "host:http", "host:0"])
def test_what_is_no_address_is_a_usage_error(address: str, tmp_path: Path) -> None:
    ran = run("probe", "--address", address, folder=tmp_path)

    assert ran.code == 2

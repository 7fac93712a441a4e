"""`ptingest probe` against a real worker."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from ptingest.api.app import start_api
from ptingest.server.certificates import Certificates
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.authority import Authority, tls_settings
from tests.fakes.http_stub import HttpStub
from tests.support.api import NODE, View
from tests.support.command import Ran, run
from tests.support.serving import serving


async def probe_at(port: int, *arguments: str, folder: Path) -> Ran:
    return await asyncio.to_thread(
        run, "probe", "--address", f"127.0.0.1:{port}", *arguments, folder=folder
    )


async def test_a_ready_server_is_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await probe_at(server.worker.api_port, folder=tmp_path)

    assert (ran.code, ran.out, ran.err) == (0, b"ready\n", "")


async def test_one_that_is_not_ready_says_why_and_is_alive(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.worker.view.draining = True
        ready = await probe_at(server.worker.api_port, folder=tmp_path)
        live = await probe_at(server.worker.api_port, "--live", folder=tmp_path)

    assert (ready.code, ready.err) == (4, "draining: this process is stopping\n")
    assert (live.code, live.out) == (0, b"live\n")


def test_nobody_there_is_not_reachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    ran = run("probe", "--address", f"127.0.0.1:{port}", folder=tmp_path)

    assert ran.code == 4
    assert f"no server answers at 127.0.0.1:{port}" in ran.err


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


async def test_it_brings_the_token_and_speaks_tls_as_the_config_says(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server()
    api = {"listen": "127.0.0.1:0", "token": "s3cret-token", "tls": tls_settings(pair)}
    settings = ServerSettings.model_validate({"api": api})
    metrics = Metrics()
    certificates = Certificates(settings, metrics=metrics, clock=SystemClock())
    server = await start_api(
        settings.api, view=View(), metrics=metrics, node=NODE, tls=certificates.api
    )
    config = tmp_path / "ptingest.yaml"
    listen = f"127.0.0.1:{server.port}"
    config.write_text(json.dumps({"api": {**api, "listen": listen}}))

    known = await asyncio.to_thread(run, "probe", "--config", config, folder=tmp_path)
    config.write_text(json.dumps({"api": {**api, "listen": listen, "token": "another"}}))
    stranger = await asyncio.to_thread(run, "probe", "--config", config, folder=tmp_path)
    await server.close()

    assert (known.code, known.out) == (0, b"ready\n")
    assert stranger.code == 4
    assert "refuses the token: it has another api.token" in stranger.err


@pytest.mark.parametrize("given", ["option", "variable", "neither"])
async def test_a_token_may_be_given_beside_the_config(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret-token\n")
    if given != "neither":
        monkeypatch.setenv("PTINGEST_TOKEN", "wrong" if given == "option" else "s3cret-token")
    options = ["--token-file", str(file)] if given == "option" else []
    async with serving(tmp_path, api={"listen": "127.0.0.1:0", "token": "s3cret-token"}) as server:
        ran = await probe_at(server.worker.api_port, *options, folder=tmp_path)

    assert ran.code == (4 if given == "neither" else 0)
    assert ("wants its token (api.token), and none was given" in ran.err) is (given == "neither")


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot be read"), ("", "it is empty"), ("a b", "cannot travel in a header")],
)
def test_a_token_file_that_cannot_be_used_is_a_usage_error(
    text: str | None, words: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text)

    ran = run("probe", "--token-file", "token", folder=tmp_path)

    assert ran.code == 2
    assert words in ran.err


def test_a_redirect_is_told_and_not_followed(tmp_path: Path) -> None:
    with HttpStub() as other, HttpStub(307, {"Location": other.url}, keeps_path=True) as stub:
        ran = run("probe", "--address", f"127.0.0.1:{stub.port}", folder=tmp_path)

    assert ran.code == 4
    assert f"307 to {other.url}: write that into api.listen" in ran.err
    assert other.requests == []

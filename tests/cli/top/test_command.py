"""`ptingest top` in a real terminal, against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminals import Terminal, terminal
from tests.fakes.authority import Authority, tls_settings
from tests.support.command import run
from tests.support.raw_peer import J, W, peer_of
from tests.support.serving import Server, serving
from tests.support.tcp import tcp_server

pytestmark = pytest.mark.timeout(90)


def asked(server: Server) -> list[str]:
    return ["--address", f"127.0.0.1:{server.worker.api_port}", "--every", "0.2"]


async def seen(screen: Terminal, *words: str) -> str:
    """Wait until all of these words stand on the screen."""
    return await asyncio.to_thread(screen.until, lambda text: all(word in text for word in words))


async def some_events(server: Server, count: int = 3) -> None:
    async with peer_of(server) as peer:
        await peer.send(W(count) + b"".join(J(seq) for seq in range(1, count + 1)))
        await peer.acks(1)


async def test_the_whole_path_is_readable_at_80_by_24(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(3) + J(1) + J(2) + J(3))
        await peer.acks(1)
        with terminal("top", *asked(server)) as screen:
            text = await seen(screen, "All is well.", "django", "memory", "127.0.0.1:")

    assert "oldest unacked" in text
    assert "beats.limits.connections" in text
    assert "q to quit" in text


async def test_what_happens_is_seen_live_and_a_resize_is_followed(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with terminal("top", *asked(server)) as screen:
            await seen(screen, "no event has come yet", "All is well.")
            await some_events(server, 5)
            await seen(screen, "All is well.", "django")
            screen.resize(200, 50)

            wide = await seen(screen, "last event", "certificate")

    assert "django" in wide


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "Ctrl-C"])
async def test_leaving_gives_the_terminal_back(key: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with terminal("top", *asked(server)) as screen:
            await seen(screen, "q to quit")
            screen.press(key)

            code = await asyncio.to_thread(screen.ended)

    assert code == 0
    assert b"\x1b[?1049h" in screen.written, "a screen of its own"
    assert b"\x1b[?1049l" in screen.written, "and back"
    assert b"Traceback" not in screen.written


async def test_sigterm_gives_the_terminal_back_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with terminal("top", *asked(server)) as screen:
            await seen(screen, "q to quit")
            screen.signal(signal.SIGTERM)

            code = await asyncio.to_thread(screen.ended)

    assert code == 0
    assert screen.written.rindex(b"\x1b[?1049l") > screen.written.rindex(b"\x1b[?1049h")


async def test_a_server_that_goes_away_and_comes_back_is_seen(tmp_path: Path) -> None:
    async with serving(tmp_path / "one") as server:
        port = server.worker.api_port
        screens = contextlib.ExitStack()
        screen = screens.enter_context(terminal("top", *asked(server)))
        await seen(screen, "q to quit", "sink")
    with screens:
        await seen(screen, "No answer", "asked again")
        async with serving(tmp_path / "two", api={"listen": f"127.0.0.1:{port}"}):
            await seen(screen, "no Beat is connected")


def test_a_server_that_never_answers_does_not_keep_us(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with terminal("top", "--address", address) as screen:
            screen.until(lambda text: "asking" in text)
            screen.press("q")

            assert screen.ended() == 0


async def test_no_color_is_honoured(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await some_events(server)
        with terminal("top", *asked(server)) as coloured:
            await seen(coloured, "All is well.")
        with terminal("top", *asked(server), environ={"NO_COLOR": "1"}) as plain:
            await seen(plain, "All is well.")

    assert coloured.has_colours
    assert not plain.has_colours


async def test_a_terminal_without_escape_sequences_gets_lines_of_its_width(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await some_events(server)
        with terminal("top", *asked(server), environ={"TERM": "dumb"}) as dumb:
            assert await asyncio.to_thread(dumb.ended) == 0

    assert b"\x1b" not in dumb.written
    assert "All is well." in dumb.text
    assert max(len(line) for line in dumb.written.decode().splitlines()) <= 80


async def printed(*arguments: str | Path, folder: Path, **more: Any) -> str:
    ran = await asyncio.to_thread(run, "top", *arguments, folder=folder, **more)
    assert ran.code == 0, ran.err
    return ran.out.decode()


async def test_without_a_terminal_it_is_one_plain_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await some_events(server)
        text = await printed(*asked(server), folder=tmp_path)

    assert "All is well." in text
    assert "\x1b" not in text
    assert text.count("django") == 1


async def test_json_is_one_object_a_look(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await some_events(server)
        text = await printed("--json", "--once", *asked(server), folder=tmp_path)

    (line,) = text.splitlines()
    found = json.loads(line)
    assert found["well"]["is_well"] is True
    assert found["books"][0]["service"] == "django"
    assert found["books"][0]["difference"] == 0
    assert found["rates"]["received_per_second"] == 0.0
    assert found["process"]["memory_bytes"] > 1 << 20


@pytest.mark.parametrize("option", ["--once", "--json"])
def test_a_snapshot_of_nobody_says_so_with_its_exit_code(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

    ran = run("top", "--once", option, "--address", address, folder=tmp_path)

    assert ran.code == 4
    assert b"No answer" in ran.out


async def test_a_server_that_wants_a_token_is_not_said_to_be_silent(tmp_path: Path) -> None:
    async with serving(tmp_path, api={"token": "s3cret-token"}) as server:
        command = ("top", "--once", "--address", f"127.0.0.1:{server.worker.api_port}")
        environ = {"PTINGEST_TOKEN": "another-token"}
        without = await asyncio.to_thread(run, *command, folder=tmp_path)
        wrong = await asyncio.to_thread(run, *command, folder=tmp_path, environ=environ)

    assert (without.code, wrong.code) == (4, 4)
    assert b"wants its token" in without.out
    assert b"refuses the token" in wrong.out
    assert b"No answer" not in without.out + wrong.out


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()

    async with tcp_server(serve) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b"\xff"])
async def test_something_else_at_that_port_is_no_traceback(answer: bytes, tmp_path: Path) -> None:
    async with answering(answer) as address:
        ran = await asyncio.to_thread(run, "top", "--once", "--address", address, folder=tmp_path)

    assert ran.code == 4
    assert b"No answer" in ran.out


async def test_tls_and_token_come_from_the_config(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server("api")
    api = {"tls": tls_settings(pair), "token": "s3cret"}
    async with serving(tmp_path, api=api) as server:
        config = tmp_path / "ptingest.yaml"
        listen = f"127.0.0.1:{server.worker.api_port}"
        config.write_text(
            f'api: {{listen: "{listen}", token: "${{API_TOKEN}}", '
            f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}}}\n"
        )
        text = await printed(
            "--config", config, "--every", "0.2", folder=tmp_path, environ={"API_TOKEN": "s3cret"}
        )

    assert f"https://{listen}" in text

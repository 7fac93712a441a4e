"""Connections of the HTTP port with a protocol that does nothing: who is kept, who goes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.api.connections import AT_WORK, CONNECTIONS, PER_ADDRESS, HttpConnections, listen_on
from ptingest.server.certificates import Certificates
from ptingest.server.process.clock import SystemClock
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.authority import Authority, tls_settings
from tests.support.waiting import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Silent(asyncio.Protocol):
    """Says nothing, or far too much."""

    def __init__(self, says: bytes = b"") -> None:
        self._says = says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, object)
        transport.write(self._says)  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def accepting(
    *, says: bytes = b"", **settings: Any
) -> AsyncIterator[tuple[HttpConnections, list[Silent]]]:
    made: list[Silent] = []

    def make() -> Silent:
        made.append(Silent(says))
        return made[-1]

    accepted = HttpConnections(listen_on("127.0.0.1", 0), make, **settings)
    running = asyncio.ensure_future(accepted.run())
    try:
        yield accepted, made
    finally:
        running.cancel()
        await asyncio.wait([running])
        accepted.close()


async def connect(accepted: HttpConnections, host: str = "127.0.0.1") -> Streams:
    return await asyncio.open_connection("127.0.0.1", accepted.port, local_addr=(host, 0))


async def until_open(accepted: HttpConnections, count: int) -> None:
    await until(lambda: len(accepted) == count)


@pytest.mark.timeout(60)
@pytest.mark.slow
def test_a_health_check_is_answered_when_no_descriptor_is_left() -> None:
    code = """
import asyncio, os, resource, socket
from ptingest.api.connections import HttpConnections, listen_on

class Says(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"live")
        transport.close()

async def main():
    accepted = HttpConnections(listen_on("127.0.0.1", 0), Says)
    running = asyncio.ensure_future(accepted.run())
    clients = [socket.socket() for _ in range(3)]
    for client in clients:
        client.setblocking(False)
    await asyncio.sleep(0)  # no race: the kernel's queue takes them, too
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.sock_connect(client, ("127.0.0.1", accepted.port))
        assert await loop.sock_recv(client, 4) == b"live"
        await asyncio.sleep(1.5)  # no race: one that is too early waits for a second
    running.cancel()

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


async def test_who_waits_longest_of_an_address_goes_first() -> None:
    async with accepting() as (accepted, made):
        other = await connect(accepted, "127.0.0.2")
        ours = [await connect(accepted) for _ in range(PER_ADDRESS)]
        await until_open(accepted, PER_ADDRESS + 1)

        late = await connect(accepted)
        async with asyncio.timeout(15):
            assert await ours[0][0].read() == b""

        await until_open(accepted, PER_ADDRESS + 1)
        assert len(made) == PER_ADDRESS + 2
        for _, writer in (other, *ours, late):
            writer.close()
        await until_open(accepted, 0)


async def test_who_is_at_work_is_left_alone() -> None:
    async with accepting() as (accepted, made):
        first = await connect(accepted)
        await until_open(accepted, 1)
        async with accepted.working(made[0]) as may_work:
            assert may_work
            rest = [await connect(accepted) for _ in range(PER_ADDRESS)]

            async with asyncio.timeout(15):
                assert await rest[0][0].read() == b""
        for _, writer in (first, *rest):
            writer.close()


async def test_so_many_are_at_work_at_once_of_one_address_and_of_all() -> None:
    async with accepting() as (accepted, made), contextlib.AsyncExitStack() as stack:
        hosts = ["127.0.0.1"] * PER_ADDRESS + ["127.0.0.2"] * PER_ADDRESS
        opened = [await connect(accepted, host) for host in hosts]
        await until_open(accepted, 2 * PER_ADDRESS)
        may_work = [await stack.enter_async_context(accepted.working(one)) for one in made]

        assert may_work.count(True) == AT_WORK < 2 * PER_ADDRESS <= CONNECTIONS
        reader, writer = await connect(accepted)
        async with asyncio.timeout(15):
            assert await reader.read() == b"", "nobody waits, so the new one goes"
        for _, one in [*opened, (reader, writer)]:
            one.close()


async def test_who_does_not_read_its_answer_is_closed() -> None:
    async with accepting(says=bytes(64 << 20), write_seconds=0.05, tick_seconds=0.02) as (
        accepted,
        _,
    ):
        deaf = socket.create_connection(("127.0.0.1", accepted.port))
        with deaf:
            await until_open(accepted, 1)
            await until_open(accepted, 0)


async def test_a_handshake_that_does_not_end_is_counted_and_closed(tmp_path: Path) -> None:
    settings = ServerSettings.model_validate(
        {"api": {"listen": "127.0.0.1:0", "tls": tls_settings(Authority(tmp_path).server())}}
    )
    tls = Certificates(settings, metrics=Metrics(), clock=SystemClock()).api
    async with accepting(tls=tls, handshake_seconds=60.0) as (accepted, _):
        opened = [await connect(accepted) for _ in range(PER_ADDRESS + 5)]
        await until_open(accepted, PER_ADDRESS)
        for _, writer in opened:
            writer.close()
        await until_open(accepted, 0)
    async with accepting(tls=tls, handshake_seconds=0.1) as (accepted, _):
        reader, writer = await connect(accepted)

        assert await reader.read() == b""
        await until_open(accepted, 0)
        writer.close()


def test_every_address_of_a_name_is_bound() -> None:
    listeners = listen_on("127.0.0.1", 0)

    assert [one.getsockname()[0] for one in listeners] == ["127.0.0.1"]
    for one in listeners:
        one.close()

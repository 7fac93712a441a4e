from __future__ import annotations

import asyncio
import socket

import pytest

from ptingest.sources.port import SEND_BUFFER_BYTES, converse, open_port, prepare, reset, send_fin
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0"])
def test_a_port_takes_connections_as_soon_as_it_is_open(listen: str) -> None:
    with open_port(listen) as listener:
        with socket.create_connection(listener.getsockname()[:2], timeout=PATIENCE_SECONDS):
            accepted, _ = listener.accept()
            accepted.close()

        assert listener.gettimeout() == 0


def test_a_taken_address_is_named() -> None:
    with open_port("127.0.0.1:0") as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=rf"beats.listen {listen}: .* in use"):
            open_port(listen)


def test_what_holds_for_each_connection_is_set() -> None:
    with open_port("127.0.0.1:0") as listener:
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE_SECONDS):
            accepted, _ = listener.accept()
            with accepted:
                prepare(accepted)

                asked = [
                    accepted.getsockopt(level, option)
                    for level, option in (
                        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                        (socket.SOL_SOCKET, socket.SO_SNDBUF),
                    )
                ]

    assert asked == [1, 1, 2 * SEND_BUFFER_BYTES]  # the kernel doubles it for its own use


class Told(asyncio.Protocol):
    """Cancels a task as soon as it is connected, and notes what it is told."""

    def __init__(self) -> None:
        self.is_lost = asyncio.Event()
        self.task: asyncio.Task[None]
        self.transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.task.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()


async def test_a_cancelled_welcome_leaves_no_connection_that_never_ends() -> None:
    loop, told = asyncio.get_running_loop(), Told()
    with open_port("127.0.0.1:0") as listener:
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE_SECONDS):
            accepted, _ = await loop.sock_accept(listener)
            told.task = asyncio.ensure_future(converse(lambda: told, accepted))
            with pytest.raises(asyncio.CancelledError):
                await told.task

            told.transport.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await told.is_lost.wait()


@pytest.fixture
def two_ends() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=PATIENCE_SECONDS)
        theirs, _ = listener.accept()
    theirs.settimeout(PATIENCE_SECONDS)
    return ours, theirs


def test_after_fin_the_peer_is_still_read(two_ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = two_ends
    with ours, theirs:
        send_fin(ours)
        end = theirs.recv(1)
        theirs.sendall(b"last words")

        assert (end, ours.recv(64)) == (b"", b"last words")


def test_fin_to_a_peer_that_is_gone_is_no_error(
    two_ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = two_ends
    with theirs:
        ours.close()

        send_fin(ours)


async def test_a_reset_does_not_wait_for_what_nobody_reads(
    two_ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = two_ends
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=ours
        )
        transport.write(b"x" * (8 << 20))

        reset(transport, ours)

        with pytest.raises(ConnectionResetError):
            while await asyncio.to_thread(theirs.recv, 1 << 16):
                pass

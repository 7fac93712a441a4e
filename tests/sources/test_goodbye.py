from __future__ import annotations

import asyncio
import socket

import pytest

from ptingest.sources.goodbye import reset, send_fin
from tests.waiting import PATIENCE_SECONDS


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

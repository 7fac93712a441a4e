"""Descriptors from one process to another, here both ends in one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ptingest.workers.fd_passing import receive_socket, send_socket

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def connection() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        return client, accepted


async def test_a_socket_arrives_with_its_number_and_still_works(pair: Pair) -> None:
    client, accepted = connection()

    assert send_socket(pair[0], accepted, 7) is True
    accepted.close()
    handed = await receive_socket(pair[1])

    assert handed is not None
    number, taken = handed
    assert number == 7
    assert taken is not None
    assert (taken.gettimeout(), taken.get_inheritable()) == (0.0, False)
    with client, taken:
        client.sendall(b"hello")
        assert await asyncio.get_running_loop().sock_recv(taken, 10) == b"hello"


async def test_each_read_gives_one_socket_in_order(pair: Pair) -> None:
    ends = [connection() for _ in range(5)]
    for number, (_, accepted) in enumerate(ends):
        assert send_socket(pair[0], accepted, number)

    for number, (client, accepted) in enumerate(ends):
        handed = await receive_socket(pair[1])
        assert handed is not None
        assert handed[0] == number
        assert handed[1] is not None
        assert handed[1].getpeername() == client.getsockname()
        for one in (client, accepted, handed[1]):
            one.close()


async def test_who_waits_gets_what_comes_later(pair: Pair) -> None:
    client, accepted = connection()
    waiting = asyncio.create_task(receive_socket(pair[1]))
    await asyncio.sleep(0)  # no race: it begins in its first turn, on a socket that is empty

    send_socket(pair[0], accepted, 1)
    handed = await waiting

    assert handed is not None
    assert handed[1] is not None
    for one in (client, accepted, handed[1]):
        one.close()


async def test_the_end_of_the_other_process_is_none(pair: Pair) -> None:
    pair[0].close()

    assert await receive_socket(pair[1]) is None


def test_an_end_that_takes_no_more_says_so_and_blocks_nobody(pair: Pair) -> None:
    client, accepted = connection()
    with client, accepted:
        given = 0
        while given < 10_000 and send_socket(pair[0], accepted, given):
            given += 1

    assert 10 < given < 10_000


def test_an_end_that_is_gone_is_an_error(pair: Pair) -> None:
    client, accepted = connection()
    pair[1].close()

    with client, accepted, pytest.raises(OSError):
        send_socket(pair[0], accepted, 1)

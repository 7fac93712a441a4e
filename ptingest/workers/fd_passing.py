"""Accepted sockets on their way from the supervisor to a worker, over a socket pair.

Each is one record of eight bytes, its number, with the descriptor beside it. The kernel keeps
records with descriptors apart, so one read gives one socket. What was sent and not yet taken
when a worker dies is closed by the kernel: those Beats connect anew.
"""

from __future__ import annotations

import asyncio
import os
import socket
from array import array

RECORD_BYTES = 8
ROOM_BESIDE = socket.CMSG_LEN(array("i").itemsize)
"""For one descriptor."""


def hand_over(pair: socket.socket, accepted: socket.socket, number: int) -> bool:
    """Give a copy of ``accepted`` to the other end; False when it takes no more now.

    Raises:
        OSError: the other end is gone, or the kernel passes on no more descriptors.
    """
    descriptor = array("i", [accepted.fileno()])
    try:
        # Not `socket.send_fds`, which takes flags and does not use them.
        pair.sendmsg(
            [number.to_bytes(RECORD_BYTES, "big")],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)],
            socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL,
        )
    except BlockingIOError:
        return False
    return True


async def take_over(pair: socket.socket) -> tuple[int, socket.socket | None] | None:
    """Wait for the next socket; None at the end.

    A number without a socket: this process may open no more files.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            data, beside, _, _ = pair.recvmsg(
                RECORD_BYTES, ROOM_BESIDE, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(pair, _tell, readable)
            try:
                await readable
            finally:
                loop.remove_reader(pair)
            continue
        if not data:
            return None
        number = int.from_bytes(data, "big")
        for level, kind, content in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                return number, _as_socket(array("i", content)[0])
        return number, None


def _as_socket(descriptor: int) -> socket.socket | None:
    try:
        taken = socket.socket(fileno=descriptor)
    except OSError:  # reset meanwhile, so that its kind cannot be asked
        os.close(descriptor)
        return None
    taken.setblocking(False)
    return taken


def _tell(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)

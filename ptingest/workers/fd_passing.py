"""Passes accepted sockets from the supervisor to a worker (`SCM_RIGHTS`), over a socket pair.

Each message is eight bytes, the number of the connection, with the descriptor as ancillary
data. The kernel never merges messages that carry descriptors, so one read gives one socket.
The kernel closes sockets that were sent and not received when a worker dies: those Beats
connect again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from array import array

RECORD_BYTES = 8
ANCILLARY_BYTES = socket.CMSG_LEN(array("i").itemsize)
"""Ancillary data of one descriptor."""


def send_socket(pair: socket.socket, accepted: socket.socket, number: int) -> bool:
    """Send a copy of ``accepted`` to the other end; False while its queue is full.

    Raises:
        OSError: the other end is closed, or the kernel passes no more descriptors.
    """
    descriptor = array("i", [accepted.fileno()])
    try:
        # Not `socket.send_fds`, which ignores its flags.
        pair.sendmsg(
            [number.to_bytes(RECORD_BYTES, "big")],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)],
            socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL,
        )
    except BlockingIOError:
        return False
    return True


async def receive_socket(pair: socket.socket) -> tuple[int, socket.socket | None] | None:
    """Wait for the next socket; None when the other end is closed.

    A number without a socket means that this process cannot open more files.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            data, ancillary, _, _ = pair.recvmsg(
                RECORD_BYTES, ANCILLARY_BYTES, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            readable = loop.create_future()
            loop.add_reader(pair, _set, readable)
            try:
                await readable
            finally:
                loop.remove_reader(pair)
            continue
        if not data:
            return None
        number = int.from_bytes(data, "big")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                return number, _as_socket(array("i", content)[0])
        return number, None


def _as_socket(descriptor: int) -> socket.socket | None:
    try:
        taken = socket.socket(fileno=descriptor)
    except OSError:  # reset meanwhile, so its address family cannot be read
        os.close(descriptor)
        return None
    taken.setblocking(False)
    return taken


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)

"""Starts one worker process: a new interpreter with two inherited sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from typing import NamedTuple


class Launched(NamedTuple):
    """A process just started, and our ends of the sockets it inherited."""

    process: Process
    control: socket.socket
    sockets: socket.socket


async def launch(*, drain_seconds: float) -> Launched:
    """Start a worker process; it waits for START on its rpc connection.

    Raises:
        OSError: no process or socket can be created now.
    """
    pairs: list[socket.socket] = []
    try:
        for _ in range(2):
            pairs += socket.socketpair()
        control, its_control, sockets, its_sockets = pairs
        inherited = (its_control.fileno(), its_sockets.fileno())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ptingest.workers.child"),
            *map(str, inherited),
            str(drain_seconds),
            stdin=DEVNULL,
            pass_fds=inherited,
            # Ctrl-C reaches the terminal's whole process group; only the supervisor acts on it.
            start_new_session=True,
        )
    except BaseException:
        for one in pairs:
            one.close()
        raise
    its_control.close()
    its_sockets.close()
    control.setblocking(False)
    sockets.setblocking(False)
    return Launched(process, control, sockets)

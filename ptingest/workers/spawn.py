"""Starts one worker process: a fresh interpreter with two inherited sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from typing import NamedTuple


class Launched(NamedTuple):
    """A process just begun, and our ends of what it inherited."""

    process: Process
    control: socket.socket
    handed: socket.socket


async def launch(*, drain_seconds: float) -> Launched:
    """Begin a worker process; it waits for START on its control channel.

    Raises:
        OSError: no process or socket can be had now.
    """
    pairs: list[socket.socket] = []
    try:
        for _ in range(2):
            pairs += socket.socketpair()
        control, its_control, handed, its_handed = pairs
        inherited = (its_control.fileno(), its_handed.fileno())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ptingest.workers.child"),
            *map(str, inherited),
            str(drain_seconds),
            stdin=DEVNULL,
            pass_fds=inherited,
            # Ctrl-C goes to everything a terminal started; here only the supervisor decides.
            start_new_session=True,
        )
    except BaseException:
        for one in pairs:
            one.close()
        raise
    its_control.close()
    its_handed.close()
    control.setblocking(False)
    handed.setblocking(False)
    return Launched(process, control, handed)

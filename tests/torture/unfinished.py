"""Attacks that begin and do not end (frames, windows, requests), for `noisy_neighbour`.

Each is bounded in count and time, and comes from one address.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from ptingest.lumberjack.frames import compressed_frame, json_frame, window_frame
from tests.support.server_process import ServerProcess

MIB = 1 << 20
ATTACKER = "127.66.0.1"
PIECE_BYTES = 256 << 10
SECONDS = 6.0
CLOSED_SECONDS = 30.0
"""How soon a connection must be closed that asks for too much, on a busy machine."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(port: int) -> Streams:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))


def frame_head(size: int) -> bytes:
    """The beginning of a compressed frame that announces ``size`` bytes."""
    return b"2C" + struct.pack(">I", size) + b"\x78\x9c"


async def _trickle(writer: asyncio.StreamWriter, start: bytes) -> None:
    """Send ``start`` as fast as it is read, then a byte now and then."""
    with contextlib.suppress(OSError):
        for at in range(0, len(start), PIECE_BYTES):
            writer.write(start[at : at + PIECE_BYTES])
            await writer.drain()
        while True:
            await writer.drain()
            await asyncio.sleep(0.5)  # no race: a byte now and then
            writer.write(b"\0")


async def _all_at_once(port: int, starts: list[bytes], seconds: float = SECONDS) -> None:
    """Open a connection for each of ``starts``, and keep them busy for a while."""
    streams = [await connect(port) for _ in starts]
    tasks = [
        asyncio.ensure_future(_trickle(writer, start))
        for (_, writer), start in zip(streams, starts, strict=True)
    ]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for _, writer in streams:
        writer.transport.abort()


async def frames(server: ServerProcess) -> None:
    """Two frames of 60 MiB, two thirds and half of them sent."""
    starts = [frame_head(60 * MIB) + bytes(40 * MIB), frame_head(60 * MIB) + bytes(30 * MIB)]
    await _all_at_once(server.port, starts)


async def many_frames(server: ServerProcess) -> None:
    """As many frames of 20 MiB as one address may have connections."""
    await _all_at_once(server.port, [frame_head(20 * MIB) + bytes(19 * MIB)] * 200)


async def windows(server: ServerProcess) -> None:
    """Windows that inflate to 8 MiB from some KiB and are never complete."""
    events = b"".join(json_frame(n, b'{"message":"%s"}' % (b"x" * 65_000)) for n in range(1, 121))
    start = window_frame(2, 60_000) + compressed_frame(2, events, 9)
    await _all_at_once(server.port, [start] * 40)


async def window_too_large(server: ServerProcess) -> None:
    """64 frames of 12 events of 1 MiB in one window; the connection must be closed."""
    events = b"".join(json_frame(n, b'{"message":"%s"}' % (b"x" * MIB)) for n in range(1, 13))
    reader, writer = await connect(server.port)
    with contextlib.closing(writer):
        writer.write(window_frame(2, 64 * 12) + compressed_frame(2, events, 9) * 64)
        async with asyncio.timeout(CLOSED_SECONDS):
            with contextlib.suppress(ConnectionError):
                while await reader.read(4096):
                    pass


def requests(unfinished: bytes) -> Callable[[ServerProcess], Coroutine[Any, Any, None]]:
    """HTTP requests that begin with ``unfinished`` and go no further."""

    async def attack(server: ServerProcess) -> None:
        await _all_at_once(server.api_port, [unfinished] * 200)

    return attack


ATTACKS = {
    "unfinished_frames": frames,
    "many_unfinished_frames": many_frames,
    "unfinished_windows": windows,
    "window_too_large": window_too_large,
    "unfinished_bodies": requests(
        b"POST /console/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n{"
    ),
    "unfinished_heads": requests(b"GET /livez HTTP/1.1\r\nHost: loc"),
}

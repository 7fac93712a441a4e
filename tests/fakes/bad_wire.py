"""A wire between a Beat and a server that cuts, stalls and trickles.

    Beat --> BadWire --> server        each connection draws one Weather for its whole life

Bytes are never changed and never lost in the middle: TCP would not do that either. What
it does is to break at any byte, to stop for a while, and to come one byte at a time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How one connection fares; the default is a good wire."""

    cut_after_sent: int | None = None
    """Bytes from the Beat that get through before both ends see a reset."""
    cut_after_answered: int | None = None
    """Bytes from the server that get through: 3 of an ack, say, with the window safe."""
    stall_after_sent: int | None = None
    """Bytes from the Beat that get through before one pause of ``stall_seconds``."""
    stall_seconds: float = 0.0
    trickle_bytes: int | None = None
    """Bytes that travel at once, with a breath of the loop between them."""


class BadWire:
    """Listens on 127.0.0.1 and passes on to port ``target`` of ``host``."""

    def __init__(
        self, target: int, weather: Callable[[], Weather], *, host: str = "127.0.0.1"
    ) -> None:
        self.host, self.target, self.weather = host, target, weather
        self.port = 0
        self.connections = self.cuts = self.stalls = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 18)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # In any case: a task that is cancelled at once never begins.
        task.add_done_callback(lambda _: _reset(writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather()
        self.connections += 1
        try:
            inner_reader, inner_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            _reset(writer)
            return
        ways = [
            asyncio.ensure_future(self._sent(reader, inner_writer, weather)),
            asyncio.ensure_future(self._answered(inner_reader, writer, weather)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            # Before anything is awaited: a task that is cancelled here goes no further.
            _reset(writer)
            _reset(inner_writer)
            await asyncio.gather(*ways, return_exceptions=True)

    async def _sent(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather
    ) -> None:
        passed = 0
        has_stalled = False
        while data := await reader.read(weather.trickle_bytes or 1 << 16):
            stall = weather.stall_after_sent
            if stall is not None and not has_stalled and passed + len(data) >= stall:
                has_stalled = True
                self.stalls += 1
                writer.write(data[: stall - passed])
                await asyncio.sleep(weather.stall_seconds)  # no race: weather
                data, passed = data[stall - passed :], stall
            cut = weather.cut_after_sent
            if cut is not None and passed + len(data) >= cut:
                writer.write(data[: cut - passed])
                await writer.drain()
                self.cuts += 1
                return
            writer.write(data)
            passed += len(data)
            await writer.drain()
            if weather.trickle_bytes is not None:
                await asyncio.sleep(0)  # no race: weather

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather
    ) -> None:
        passed = 0
        while data := await reader.read(weather.trickle_bytes or 1 << 16):
            cut = weather.cut_after_answered
            if cut is not None and passed + len(data) >= cut:
                writer.write(data[: cut - passed])
                await writer.drain()
                self.cuts += 1
                return
            writer.write(data)
            passed += len(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""A load balancer's port in front of one server, which can get into trouble.

    async with Proxy(9200) as proxy:      passes every byte on to 127.0.0.1:9200
        await proxy.die()                 nobody listens, and what was open is reset
        proxy.hang()                      connections are taken, and nothing passes any more
        proxy.slow(0.2)                   what the server says passes after so many seconds
        proxy.answer(401, b"...")         answers each request itself

Trouble is for all connections, the open ones, too.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Self

from tests.support.tcp import tcp_server

PIECE_BYTES = 1 << 16


class Proxy:
    """Listens on 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.answered_bytes = 0
        """What the server said and was passed on."""
        self.answered_itself = 0
        """Requests that it answered in place of the server."""
        self._listening = AsyncExitStack()
        self._conversations: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._delay_seconds = 0.0
        self._instead: bytes | None = None

    async def __aenter__(self) -> Self:
        self.port = await self._listening.enter_async_context(tcp_server(self._converse))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def die(self) -> None:
        """Take no more connections, and end those that are open."""
        for conversation in self._conversations:
            conversation.cancel()
        await self._listening.aclose()

    def hang(self) -> None:
        self._passes.clear()

    def slow(self, seconds: float) -> None:
        self._delay_seconds = seconds

    def answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        self._instead = head.encode() + body

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.ensure_future(self._carry(reader, writer))
        self._conversations.add(conversation)
        # Its end, also by `die`, is the end of the connection, and no error.
        await asyncio.wait([conversation])
        self._conversations.discard(conversation)
        if not conversation.cancelled() and isinstance(conversation.exception(), OSError):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [
            asyncio.ensure_future(self._ask(reader, back, writer)),
            asyncio.ensure_future(self._tell(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            writer.transport.abort()
            back.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(PIECE_BYTES):
            await self._passes.wait()
            if self._instead is not None:
                self.answered_itself += 1
                writer.write(self._instead)
                # To the end of the request: a reset would take the answer along.
                while await reader.read(PIECE_BYTES):
                    pass
                return
            back.write(data)
            await back.drain()

    async def _tell(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(PIECE_BYTES):
            await self._passes.wait()
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)  # no race: what a slow host is
            writer.write(data)
            self.answered_bytes += len(data)
            await writer.drain()

"""Connections of tests that are gone when they are closed.

A transport closes in later turns of the loop, over TLS after an exchange with its peer. One that
is still open when a test's loop ends is a ResourceWarning in whatever test runs next.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection and wait until it is gone, unless its peer does not read."""
    is_flushed = not writer.transport.get_write_buffer_size()
    writer.close()
    if is_flushed:
        with contextlib.suppress(OSError):  # ssl.SSLError among them
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def tcp_server(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Have ``answer`` serve connections to the port given; each is closed when it returns."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            await close(writer)

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.ensure_future(converse(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    try:
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        await asyncio.gather(*conversations)

"""A Beat with Filebeat's retry habits: whole windows resent on any error, pipelining, patience."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.client import ClientConnection
from tests.support.tcp import close


class Beat:
    """Delivers windows to one address until each was acked; remembers what was acked when."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        pipelining: int = 2,
        compression_level: int = 3,
        timeout_seconds: float = 30.0,
        backoff_seconds: float = 0.01,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls
        self.port, self.host = port, host
        self.pipelining, self.compression_level = pipelining, compression_level
        self.timeout_seconds, self.backoff_seconds = timeout_seconds, backoff_seconds
        self.acked: list[Sequence[bytes]] = []
        self.connections = 0
        self.keepalives = 0
        self.errors: list[Exception] = []

    async def deliver(self, windows: Sequence[Sequence[bytes]]) -> None:
        """Return when every window is acked; cancel it to give up."""
        pending = deque(windows)
        while pending:
            try:
                await self._attempt(pending)
            except (OSError, ProtocolError, PeerClosed) as error:
                self.errors.append(error)
                await asyncio.sleep(self.backoff_seconds)  # no race: as Beats wait

    async def _attempt(self, pending: deque[Sequence[bytes]]) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        self.connections += 1
        wire = ClientConnection(compression_level=self.compression_level)
        sent = 0
        try:
            while pending:
                while sent < min(len(pending), self.pipelining + 1):
                    writer.write(wire.send_window(pending[sent]))
                    sent += 1
                async with asyncio.timeout(self.timeout_seconds):
                    await writer.drain()
                    data = await reader.read(4096)
                if not data:
                    wire.receive_eof()
                    raise PeerClosed("closed with nothing in flight")
                for progress in wire.receive_data(data):
                    if progress.is_complete:
                        self.acked.append(pending.popleft())
                        sent -= 1
        finally:
            self.keepalives += wire.keepalives
            await close(writer)

"""A socket and bytes made by hand, so that tests do not lean on the code they test."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import orjson

from tests.support.serving import Server
from tests.support.waiting import PATIENCE_SECONDS

LINE = "INFO|apps.parcels.views|2025-01-02T03:04:05Z|parcel 42"


class RawPeer:
    """A socket and nothing between the test and the bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def acks(self, count: int, *, keepalives: bool = False) -> list[tuple[int, int]]:
        """Read ``count`` acks as (version, seq), skipping keepalives unless asked for."""
        found: list[tuple[int, int]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < count:
                frame = await self.reader.readexactly(6)
                version, kind, seq = struct.unpack(">BBI", frame)
                assert kind == ord("A"), frame
                if seq or keepalives:
                    found.append((version - ord("0"), seq))
        return found

    async def rest(self) -> list[tuple[int, int]]:
        """Read to the end of the stream; every ack that came, keepalives included."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            data = await self.reader.read(-1)
        assert len(data) % 6 == 0, data
        return [(version - ord("0"), seq) for version, _, seq in struct.iter_unpack(">BBI", data)]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def peer_of(server: Server, host: str = "127.0.0.1") -> AsyncIterator[RawPeer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(host, 0))
    peer = RawPeer(reader, writer)
    try:
        yield peer
    finally:
        await peer.close()


# -- bytes -------------------------------------------------------------------------------


def event(message: str = "INFO|apps.parcels.views|2025-01-02T03:04:05Z|x", **more: Any) -> bytes:
    fields = {"@timestamp": "2025-01-02T03:04:06.123Z", "group": "pt", "service": "django"}
    return orjson.dumps({**fields, "message": message, **more})


def shipped(message: str = LINE, offset: int = 0, **more: Any) -> bytes:
    """An event with what makes it recognisable."""
    log = {"offset": offset, "file": {"path": "/var/log/pt/django.log"}}
    return event(message, agent={"id": "a1"}, host={"name": "web-1"}, log=log, **more)


def W(count: int, version: bytes = b"2") -> bytes:
    return version + b"W" + struct.pack(">I", count)


def J(seq: int, payload: bytes | None = None) -> bytes:
    body = event(f"INFO|root|2025-01-02T03:04:05Z|n{seq}") if payload is None else payload
    return b"2J" + struct.pack(">II", seq, len(body)) + body


def C(frames: bytes, version: bytes = b"2") -> bytes:
    stream = zlib.compress(frames, 1)
    return version + b"C" + struct.pack(">I", len(stream)) + stream


def D(seq: int, **pairs: str) -> bytes:
    items = {"group": "pt", "service": "django", **pairs}
    parts = [b"1D", struct.pack(">II", seq, len(items))]
    for text in (text for pair in items.items() for text in pair):
        parts += struct.pack(">I", len(text.encode())), text.encode()
    return b"".join(parts)

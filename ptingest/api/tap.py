"""GET /tap: events as they pass, one JSON object a line, until the reader leaves.

    ?query=service:django&fate=passed&fate=dropped&share=0.1&raw=1

    {"fate": "passed", "service": ..., "document": {...}}      an event; with raw "payload"
    {"told": {"passed": 9, "shown": 5, "skipped": 4, "lost": 0}}   so far, while it changes
    {"ended": "why"}                                           the last line, as a rule

What waits for a reader is bounded, in the tap and on its socket. A reader that does not read
for ``SLOW_SECONDS`` gets the reason as the last line, and is disconnected.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Protocol

import msgspec

from ptingest.api.access import objection_to_look
from ptingest.errors import QueryInvalid, TapsBusy
from ptingest.model.watching import TapRequest

if TYPE_CHECKING:
    from aiohttp import web

SLOW_SECONDS = 5.0
FAREWELL_SECONDS = 10.0
"""How long a slow reader may take to read the reason."""
LOOK_SECONDS = 0.5
"""How often a tap without events checks that its client is still connected."""
SEND_BUFFER_BYTES = 1 << 16
"""Of its socket: a reader that does not read must not hold megabytes in the kernel."""
NO_LINGER = struct.pack("ii", 1, 0)
TOO_SLOW = f"this client did not read for {SLOW_SECONDS:g} s; events do not wait for taps"
_LET_GO = b'{"ended":"%b"}\n' % TOO_SLOW.encode()


class TapReader(Protocol):
    """One open tap."""

    async def read(self) -> bytes:
        """Wait for whole lines; nothing once it is over."""
        ...

    def close(self) -> None:
        """The reader is gone."""
        ...


class TapService(Protocol):
    """Opens taps; one process or a supervisor implements it."""

    async def begin(self, wish: TapRequest) -> TapReader:
        """Open one; QueryInvalid or TapsBusy when it cannot be."""
        ...


def tap_routes(taps: TapService, *, is_guarded: bool) -> list[web.RouteDef]:
    """Return the route; ``is_guarded``: the token was checked already."""
    from aiohttp import web

    async def tap(request: web.Request) -> web.StreamResponse:
        refusal = objection_to_look(request, is_guarded=is_guarded)
        if refusal is not None:
            return web.json_response({"error": refusal}, status=403)
        try:
            reader = await taps.begin(read_wish(request))
        except (msgspec.ValidationError, QueryInvalid) as error:
            return web.json_response({"error": str(error)}, status=400)
        except TapsBusy as error:
            return web.json_response({"error": str(error)}, status=503)
        try:
            return await _stream(request, reader)
        finally:
            reader.close()

    return [web.get("/tap", tap, allow_head=False)]


def read_wish(request: web.Request) -> TapRequest:
    """Read the wish from a request's query.

    Raises:
        msgspec.ValidationError: it has an unknown key or value.
    """
    asked: dict[str, object] = dict(request.query.items())
    if "fate" in asked:
        del asked["fate"]
        asked["fates"] = request.query.getall("fate")
    if "raw" in asked:
        asked["raw"] = asked["raw"] in ("", "1", "true")
    return msgspec.convert(asked, TapRequest, strict=False)


async def _stream(request: web.Request, reader: TapReader) -> web.StreamResponse:
    from aiohttp import web

    headers = {
        "Content-Type": "application/x-ndjson",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    response.force_close()
    transport = request.transport
    accepted = None if transport is None else transport.get_extra_info("socket")
    if accepted is not None:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    await response.prepare(request)
    writes = _Writes()
    try:
        while lines := await _next_lines(request, reader):
            if not await writes.is_done(response.write(lines), SLOW_SECONDS):
                await writes.is_done(response.write(_LET_GO), SLOW_SECONDS)
                break
        is_heard = await writes.is_done(response.write_eof(), FAREWELL_SECONDS)
        if not is_heard and transport is not None:
            if accepted is not None:
                # A reset: the kernel must not keep a closed socket for its reader.
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
    except ConnectionError:
        pass  # the reader disconnected
    finally:
        await writes.give_up()
    return response


async def _next_lines(request: web.Request, reader: TapReader) -> bytes:
    """Wait for lines; end if the client has disconnected."""
    reading = asyncio.ensure_future(reader.read())
    try:
        while not (await asyncio.wait([reading], timeout=LOOK_SECONDS))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
        return reading.result()
    finally:
        reading.cancel()


class _Writes:
    """Writes to one client, each with a time limit and none cancelled: aiohttp waits for buffer
    space in one place, and a cancelled wait cancels all later writes."""

    def __init__(self) -> None:
        self._late: list[asyncio.Task[None]] = []

    async def is_done(self, writing: Coroutine[None, None, None], seconds: float) -> bool:
        """Write, and wait until most of it was sent; False if that takes too long."""
        task = asyncio.create_task(writing)
        self._late.append(task)
        if not (await asyncio.wait([task], timeout=seconds))[0]:
            return False
        self._late.remove(task)
        task.result()
        return True

    async def give_up(self) -> None:
        """Cancel what is not written."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

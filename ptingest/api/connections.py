"""The connections of the HTTP port: which are accepted, answered and closed.

    accept --handshake--> waiting: for a head, for a body, for the next request
                             |  whole request           ^  answered
                             +------> at work ----------+

A connection that waits may be closed: when too many are open, the one that has waited longest
is closed, first among those of one address, so idle connections cannot keep others out. A
complete request is processed, ``AT_WORK`` at once. Further ones get a 503, except liveness and
readiness, which are always answered since they cost almost nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

log = logging.getLogger(__name__)

AT_WORK = 64
"""Requests answered at once. Watchers are few."""
CONNECTIONS = 128
"""Open connections; beyond this the one that has waited longest is closed."""
PER_ADDRESS = 48
"""As both limits, for one address: some room is left for the others."""
HANDSHAKE_SECONDS = 5.0
WRITE_SECONDS = 30.0
"""How long an answer may wait until its client reads it."""
TICK_SECONDS = 1.0
BACKLOG = 128


class Inner(Protocol):
    """What speaks HTTP on a connection: aiohttp's protocol, or one like it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...


@dataclass(eq=False, slots=True)
class Connection:
    """One accepted socket until it is gone."""

    address: str
    accepted: socket.socket
    waiting_since: float
    at_work: int = 0
    unwritten_since: float | None = None
    transport: asyncio.Transport | None = None
    task: asyncio.Task[None] | None = field(default=None)

    def close(self) -> None:
        """Reset the connection; no TLS or TCP close for a peer that does not read."""
        if self.transport is not None:
            self.transport.abort()
        elif self.task is not None:
            self.task.cancel()


class _SpareDescriptor:
    """Kept for the moment in which the process has no other left: then a health check is still
    answered, and `/metrics` can say what is going on."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self.keep()

    def keep(self) -> None:
        """Open the reserve descriptor again, if one is free."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def give_up(self) -> bool:
        """Close it to make room; False if it is in use."""
        if self._descriptor is None:
            return False
        os.close(self._descriptor)
        self._descriptor = None
        return True


class HttpConnections:
    """Accepts on some listening sockets; `run` until cancelled, then `close`."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        make: Callable[[], Inner],
        *,
        tls: ssl.SSLContext | None = None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._listeners, self._make, self._tls = listeners, make, tls
        self._handshake_seconds, self._write_seconds = handshake_seconds, write_seconds
        self._tick_seconds = tick_seconds
        self._spare = _SpareDescriptor()
        self._open: dict[Connection, None] = {}
        self._by_inner: dict[object, Connection] = {}
        self.port: int = listeners[0].getsockname()[1]

    def __len__(self) -> int:
        return len(self._open)

    async def run(self) -> None:
        """Accept until cancelled; a task that fails is logged."""
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._accept(listener), name="http accept")
            group.create_task(self._tick(), name="http ticker")

    def close(self) -> None:
        """Stop accepting; open connections finish the answers in progress."""
        self._spare.give_up()
        for listener in self._listeners:
            listener.close()
        for connection in list(self._open):
            if connection.transport is None:
                connection.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, name = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, as a rule
                if error.errno in (errno.EMFILE, errno.ENFILE) and self._spare.give_up():
                    continue
                log.error("cannot accept an HTTP connection: %s; trying again in 1 s", error)
                await asyncio.sleep(1)
                continue
            self._begin(accepted, str(name[0]))

    def _begin(self, accepted: socket.socket, address: str) -> None:
        if not self._has_made_room(address):
            log.warning(
                "closed an HTTP connection from %s: %d are open, all at work, which is the limit",
                address,
                len(self._open),
            )
            accepted.close()
            return
        loop = asyncio.get_running_loop()
        connection = Connection(address, accepted, loop.time())
        self._open[connection] = None
        connection.task = loop.create_task(self._connect(connection), name="http connection")

    def _has_made_room(self, address: str) -> bool:
        """Close the connection that has waited longest; False if none waits."""
        of_one = [one for one in self._open if one.address == address]
        for count, limit, some in (
            (len(of_one), PER_ADDRESS, of_one),
            (len(self._open), CONNECTIONS, list(self._open)),
        ):
            if count < limit:
                continue
            waiting = [one for one in some if not one.at_work]
            if not waiting:
                return False
            longest = min(waiting, key=lambda one: one.waiting_since)
            log.info(
                "%s: closed an HTTP connection that waited longest, %d are open",
                longest.address,
                count,
            )
            self._forget(longest)
            longest.close()
            return True
        return True

    async def _connect(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        watched = _WatchedConnection(self, connection, self._make())
        try:
            await loop.connect_accepted_socket(
                lambda: watched,
                connection.accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake_seconds if self._tls else None,
            )
        except OSError as error:  # ssl.SSLError among them
            log.debug("%s: no HTTP connection: %s", connection.address, error)
        finally:
            if connection.transport is None:
                self._forget(connection)
                connection.accepted.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            self._spare.keep()
            now = asyncio.get_running_loop().time()
            for one in list(self._open):
                since = one.unwritten_since
                if since is not None and now - since >= self._write_seconds:
                    log.info("%s: closed, it does not read its answer", one.address)
                    one.close()

    # -- requests ------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def working(self, inner: object) -> AsyncIterator[bool]:
        """Hold a whole request's connection open meanwhile; says whether it may be worked on."""
        connection = self._by_inner.get(inner)
        if connection is None:  # gone already
            yield True
            return
        at_work = [one for one in self._open if one.at_work]
        of_one = sum(one.address == connection.address for one in at_work)
        connection.at_work += 1
        try:
            yield len(at_work) < AT_WORK and of_one < PER_ADDRESS
        finally:
            connection.at_work -= 1
            connection.waiting_since = asyncio.get_running_loop().time()

    # -- called by a connection ---------------------------------------------------------

    def made(self, connection: Connection, inner: object) -> None:
        self._by_inner[inner] = connection

    def gone(self, connection: Connection, inner: object) -> None:
        self._by_inner.pop(inner, None)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)


class _WatchedConnection(asyncio.Protocol):
    """Stands between a transport and the HTTP protocol on it, and notes what is written."""

    def __init__(self, all_of_them: HttpConnections, connection: Connection, inner: Inner) -> None:
        self._all, self._connection, self._inner = all_of_them, connection, inner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio.Transport's children, only its like.
        self._connection.transport = cast(asyncio.Transport, transport)
        self._all.made(self._connection, self._inner)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._connection.unwritten_since = asyncio.get_running_loop().time()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._connection.unwritten_since = None
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.gone(self._connection, self._inner)
        self._inner.connection_lost(exc)


def listen_on(host: str, port: int) -> list[socket.socket]:
    """Bind every address that ``host`` means; OSError where one cannot be had."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            listener.setblocking(False)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners

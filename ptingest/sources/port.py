"""Sockets of a port: bind and listen, set options, peek, half-close and reset."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

NO_LINGER = struct.pack("ii", 1, 0)
BACKLOG = 1024
REFUSING_SECONDS = 5.0
"""How long no connection may be accepted before readiness reports it; a burst is normal."""
SEND_BUFFER_BYTES = 16 << 10


def send_fin(accepted: socket.socket) -> None:
    """Send FIN and leave the other direction open; does nothing where the peer is gone."""
    with contextlib.suppress(OSError):
        accepted.shutdown(socket.SHUT_WR)


def half_close(transport: asyncio.WriteTransport, accepted: socket.socket) -> None:
    """Send FIN after everything written, and go on reading."""
    if transport.can_write_eof():
        transport.write_eof()
        return
    # A TLS transport closes both directions, and bytes that a Beat sends meanwhile would turn
    # that into a reset, which may overtake our acks. So FIN is sent on the socket below it,
    # after what the loop still writes in this iteration.
    asyncio.get_running_loop().call_soon(send_fin, accepted)


def reset(transport: asyncio.WriteTransport, accepted: socket.socket) -> None:
    """Send RST: a FIN would wait for minutes behind acks that the peer does not read."""
    with contextlib.suppress(OSError):  # gone already
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def open_port(listen: str) -> socket.socket:
    """Bind and listen, non-blocking. Raises OSError with the address in its text."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        text = f"beats.listen {listen}: {error.strerror or error}"
        raise OSError(error.errno, text) from error
    return listener


def prepare(accepted: socket.socket) -> None:
    """Set the options of an accepted socket; OSError when the peer is gone already."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Acks are 6 bytes: a peer that does not read them must not fill megabytes of buffers.
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def peek(accepted: socket.socket, count: int) -> bytes:
    """Return the first bytes that wait in the kernel and leave them there; ``b""`` where there
    are none or the peer is gone."""
    try:
        return accepted.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


async def converse(make: Callable[[], asyncio.Protocol], accepted: socket.socket) -> None:
    """Connect a plaintext socket to a protocol; when cancelled, finish that first.

    It takes an iteration or two of the loop. If it were cancelled after `connection_made`,
    uvloop would release the socket and never call `connection_lost`.
    """
    loop = asyncio.get_running_loop()
    made = loop.create_task(_connect(loop, make, accepted), name="beats connect")
    try:
        await asyncio.shield(made)
    except asyncio.CancelledError:
        await asyncio.wait([made])
        raise


async def _connect(
    loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.Protocol], accepted: socket.socket
) -> None:
    await loop.connect_accepted_socket(make, accepted)


class PortTroubles:
    """Reasons why a port accepts no new connection, for readiness."""

    def __init__(self) -> None:
        self.accept_error: str | None = None
        """Of the last call to accept; None where it succeeded."""
        self._refusing_since: float | None = None

    def refuse(self, now: float) -> None:
        """No connection is accepted from now on, on purpose."""
        if self._refusing_since is None:
            self._refusing_since = now

    def take(self) -> None:
        """Connections are accepted again."""
        self._refusing_since = None

    def reported(self, now: float, *, why: str, connections: int, limit: int) -> list[str]:
        """Return a sentence for each reason; ``why`` is the reason given by ``refuse``'s caller."""
        found = []
        if self._refusing_since is not None and now - self._refusing_since >= REFUSING_SECONDS:
            found.append(f"beats: no new connection is accepted, {why}")
        if connections >= limit:
            found.append(
                f"beats: all connections are taken, {limit} are allowed (beats.limits.connections)"
            )
        if self.accept_error is not None:
            found.append(f"beats: no new connection is accepted, {self.accept_error}")
        return found

"""The sockets of the Beats port: listening, accepted, and what can be seen on them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Callable

NO_LINGER = struct.pack("ii", 1, 0)


class Phase(enum.Enum):
    """How far a connection is on its way to its end."""

    OPEN = enum.auto()
    FINISHING = enum.auto()
    """Nothing more is taken; windows that were complete get their acks."""
    DISCARDING = enum.auto()
    """FIN is out; what still comes is read and thrown away."""
    CLOSED = enum.auto()


def send_fin(accepted: socket.socket) -> None:
    """Say that nothing more comes, and go on reading; nothing where the peer is gone."""
    with contextlib.suppress(OSError):
        accepted.shutdown(socket.SHUT_WR)


def half_close(transport: asyncio.WriteTransport, accepted: socket.socket) -> None:
    """FIN after everything written, and go on reading."""
    if transport.can_write_eof():
        transport.write_eof()
        return
    # A TLS transport can only close as a whole, and what a Beat sends meanwhile would turn
    # that into a reset which may overtake our acks. So FIN goes out below it, after what
    # the loop may keep back until this turn is over.
    asyncio.get_running_loop().call_soon(send_fin, accepted)


def reset(transport: asyncio.WriteTransport, accepted: socket.socket) -> None:
    """RST: a FIN would wait in the kernel for minutes behind acks that nobody reads."""
    with contextlib.suppress(OSError):  # gone already
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


BACKLOG = 1024
REFUSING_SECONDS = 5.0
"""For so long nobody may be accepted before readiness says so: a burst is no trouble."""
SEND_BUFFER_BYTES = 16 << 10


def open_port(listen: str) -> socket.socket:
    """Bind and listen, without waiting; OSError naming the address where it cannot be had."""
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
    """Set what holds for each connection; OSError when it is gone already."""
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Acks are 6 bytes: a peer that does not read them shall not hold megabytes of ours.
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def peek(accepted: socket.socket, count: int) -> bytes:
    """The first bytes that wait in the kernel, left there; none where there are none, or the
    peer is gone."""
    try:
        return accepted.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


async def converse(make: Callable[[], asyncio.Protocol], accepted: socket.socket) -> None:
    """Make a conversation of a plaintext socket; cancelled, do that first.

    It takes a turn or two of the loop. Cancelled between `connection_made` and then, uvloop
    would let go of the socket and never call `connection_lost`.
    """
    loop = asyncio.get_running_loop()
    made = loop.create_task(_connect(loop, make, accepted), name="beats conversation")
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
    """Why no new Beat comes in at the port, for whoever asks whether we are ready."""

    def __init__(self) -> None:
        self.accept_error: str | None = None
        """Of the last try to accept; None where it went well."""
        self._refusing_since: float | None = None

    def refuse(self, now: float) -> None:
        """Nobody is accepted now, on purpose."""
        if self._refusing_since is None:
            self._refusing_since = now

    def take(self) -> None:
        """Whoever comes is accepted."""
        self._refusing_since = None

    def told(self, now: float, *, why: str, connections: int, limit: int) -> list[str]:
        """Return a sentence for each; ``why`` says for what reason nobody is accepted."""
        found = []
        if self._refusing_since is not None and now - self._refusing_since >= REFUSING_SECONDS:
            found.append(f"beats: nobody new is accepted, {why}")
        if connections >= limit:
            found.append(
                f"beats: all connections are taken, {limit} are allowed (beats.limits.connections)"
            )
        if self.accept_error is not None:
            found.append(f"beats: nobody new is accepted, {self.accept_error}")
        return found

"""How a connection ends: its phases, and two ways to leave that the loops' transports do not
offer, both below TLS."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct

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

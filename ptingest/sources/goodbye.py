"""The two ways to leave a Beat that the loops' transports do not offer; both below TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

NO_LINGER = struct.pack("ii", 1, 0)


def send_fin(accepted: socket.socket) -> None:
    """Say that nothing more comes, and go on reading; nothing where the peer is gone."""
    with contextlib.suppress(OSError):
        accepted.shutdown(socket.SHUT_WR)


def reset(transport: asyncio.WriteTransport, accepted: socket.socket) -> None:
    """RST: a FIN would wait in the kernel for minutes behind acks that nobody reads."""
    with contextlib.suppress(OSError):  # gone already
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()

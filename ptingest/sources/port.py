"""The listening socket of the Beats port, and what every accepted socket is told."""

from __future__ import annotations

import socket

BACKLOG = 1024
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

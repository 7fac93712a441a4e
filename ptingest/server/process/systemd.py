"""Notifies the service manager of our state (systemd's ``Type=notify``).

Each message is one datagram to the socket named by ``NOTIFY_SOCKET``; without it nothing is
sent. The event loop itself feeds the watchdog: when it hangs, the manager restarts the
process, which loses nothing that was acked.

Protocol: sd_notify(3).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Sends to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET")
        self.watchdog_seconds = _watchdog_seconds(environ)
        """Feed it at least this often (half of what the manager allows); None: no watchdog."""

    def ready(self, status: str) -> None:
        """The start is complete; ``systemctl status`` shows ``status``."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """A drain has begun."""
        self._send("STOPPING=1\nSTATUS=draining")

    async def feed_watchdog(self) -> None:
        """Feed it until cancelled; returns at once where there is none."""
        while self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds)

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is an abstract socket: no file, a leading NUL.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(text.encode(), address)
        except OSError as error:
            log.warning("cannot tell the service manager at %s: %s", self._address, error)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    allowed = environ.get("WATCHDOG_USEC", "")
    meant_for = environ.get("WATCHDOG_PID") or str(os.getpid())
    if not allowed.isdigit() or int(allowed) == 0 or meant_for != str(os.getpid()):
        return None
    return int(allowed) / 1e6 / 2

"""SIGTERM and SIGINT: the first asks for a drain, the second leaves at once; SIGHUP reloads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

log = logging.getLogger(__name__)

LEFT_AT_ONCE = 130
"""Exit status after the second signal, as shells know it from SIGINT."""


class StopSignals:
    """Turns the first signal into an event, the second into an exit, SIGHUP into an event."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.reload = asyncio.Event()
        self.name: str | None = None
        self.before_leaving: Callable[[], None] = lambda: None
        """Called at the second signal, right before the process exits."""

    def install(self) -> None:
        """Catch the signals on the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._caught, number)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)
        # A SIGHUP that came earlier was blocked since the start, and is delivered now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def uninstall(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _caught(self, number: signal.Signals) -> None:
        if self.stop.is_set():
            log.warning("second %s: exiting now; Beats resend what is unacked", number.name)
            # A kill -9 leaves nothing to clean up, so neither does this.
            self.before_leaving()
            logging.shutdown()
            os._exit(LEFT_AT_ONCE)
        self.name = number.name
        self.stop.set()


def ending(code: int | None) -> str:
    """Describe how a process ended, by its return code."""
    if code is None:
        return "has not ended"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"

"""Small windows that wait for each other before they are inflated.

A small batch lingers in its lane (`ptingest.delivery.linger`). Its windows linger here instead,
compressed and without a permit, and are then taken in one after the other: the code that handles a
window takes a third less when it has just handled another one. Who waits and for how long is the
lanes' to say; here it is only waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

SMALL_BYTES: Final = 64 << 10
"""A connection that has more than this to give waits for nobody: some hundred events,
compressed."""


class SmallWindows:
    """The small windows of one port that wait."""

    def __init__(self, due_at: Callable[[str], float], *, now: Callable[[], float]) -> None:
        """``due_at`` says when a small window of a sender, which is its argument, would be
        written if it were taken in now."""
        self._due_at, self._now = due_at, now
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, sender: str) -> None:
        """Return when a small window of this sender may be taken in, with all that wait."""
        seconds = self._due_at(sender) - self._now()
        if seconds <= 0:
            self._take_all()
            return
        loop = asyncio.get_running_loop()
        taken = loop.create_future()
        self._waiting.append(taken)
        if self._timer is None:
            self._timer = loop.call_later(seconds, self._take_all)
        await taken

    def _take_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for taken in waiting:
            if not taken.done():  # its connection may have ended
                taken.set_result(None)

"""The bytes that documents outstanding may fill, and the queue in front of it.

    take(n) --fits or nothing is taken--> granted ... release(n)
            --does not fit--> waits its turn, first come first served

A large request at the head is never overtaken by small ones behind it, so none
waits for ever. While nothing is taken, one request of any size is granted, so none is too large for
ever. Nothing here knows what the bytes are.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Budget:
    """Counts bytes outstanding against a limit; lives on one loop."""

    __slots__ = ("_waiting", "limit", "outstanding")

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        self.outstanding = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    async def take(self, count: int) -> None:
        """Charge ``count`` bytes, waiting while they do not fit.

        Cancelled while it waits, it leaves the queue and has charged nothing; cancelled
        after it was granted and before it could return, the grant goes to the next.
        """
        if not self._waiting and self._fits(count):
            self.outstanding += count
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (turn, count)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(count)
            else:
                self._waiting.remove(entry)
                # The one behind may be smaller and fit now.
                self._grant()
            raise

    def charge(self, count: int) -> None:
        """Charge without waiting, for corrections; may go over the limit."""
        self.outstanding += count

    def release(self, count: int) -> None:
        """Give back what was charged; wakes those whose turn it is."""
        self.outstanding -= count
        if self.outstanding < 0:
            raise AssertionError("more released than charged")
        if self._waiting:
            self._grant()

    def resize(self, limit_bytes: int) -> None:
        """Change the limit; what is charged stays; waiting requests that fit now are granted."""
        self.limit = limit_bytes
        self._grant()

    def _fits(self, count: int) -> bool:
        return self.outstanding + count <= self.limit or self.outstanding == 0

    def _grant(self) -> None:
        while self._waiting:
            turn, count = self._waiting[0]
            if turn.done():
                # Cancelled, and its task has not run yet: it takes itself off the queue
                # and grants again, so there is nothing to skip here.
                return
            if not self._fits(count):
                return
            self._waiting.popleft()
            self.outstanding += count
            turn.set_result(None)

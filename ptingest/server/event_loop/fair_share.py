"""Turns of the event loop, shared by everything that computes for milliseconds.

    await turnstile(bytes) --room in this turn of the loop--> goes on at once
                           --none left--------------------> goes on in a later turn

Between two turns the loop reads sockets, fires timers and writes keepalives; how long those
wait is what the work of one turn takes, so that is limited for all connections and sinks
together. First come, first served. Nobody waits here for anything but turns: this is a
checkpoint, and pushes nobody back.
"""

from __future__ import annotations

import asyncio
from collections import deque

TURN_BYTES = 256 << 10
"""Work of one turn, in payload bytes that go through the pipeline: 3 to 5 ms. One request,
however large, is always let through."""


class Turnstile:
    """Counts the work of each turn of the loop it is used on; is a ``Checkpoint``.

    No ``Budget``: what that grants is given back by who took it, a turn lapses by itself.
    """

    __slots__ = ("_spent", "_waiting", "turn_bytes")

    def __init__(self, turn_bytes: int = TURN_BYTES) -> None:
        self.turn_bytes = turn_bytes
        self._spent = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def __call__(self, size: int) -> None:
        """Go on in a turn of the loop that has room for so much work."""
        if not self._spent:
            self._begin_turn()
        elif self._waiting or self._spent + size > self.turn_bytes:
            await self._wait(size)
            return
        self._spent += size or 1

    async def _wait(self, size: int) -> None:
        later = asyncio.get_running_loop().create_future()
        entry = (later, size)
        self._waiting.append(entry)
        try:
            await later
        except asyncio.CancelledError:
            # What was granted already is lost with this turn, which is soon over.
            if entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def _begin_turn(self) -> None:
        # What is called soon now runs in the next turn, after what was called soon before.
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """Let in, for the turn after this one, whoever is first and fits."""
        self._spent = 0
        while self._waiting:
            later, size = self._waiting[0]
            if self._spent and self._spent + size > self.turn_bytes:
                break
            self._waiting.popleft()
            if not later.done():
                later.set_result(None)
                self._spent += size or 1
        if self._spent:
            self._begin_turn()

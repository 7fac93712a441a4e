"""Shares the event loop fairly among all work that computes for milliseconds.

    await fair_share(bytes) --room in this iteration of the loop--> goes on at once
                            --none left---------------------------> goes on in a later one

Between two iterations the loop reads sockets, fires timers and writes keepalives. How long
those wait is what the work of one iteration takes, so that is limited for all connections and
sinks together. First come, first served. This is a checkpoint, not backpressure: it waits for
nothing but iterations of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

ITERATION_BYTES = 256 << 10
"""Work of one iteration, in payload bytes that go through the pipeline: 3 to 5 ms. One request
is always granted, however large it is."""


class FairShare:
    """Counts the work of each iteration of its loop; implements ``Checkpoint``.

    Unlike a ``Budget``, nothing is released: a share expires with its iteration.
    """

    __slots__ = ("_spent", "_waiting", "iteration_bytes")

    def __init__(self, iteration_bytes: int = ITERATION_BYTES) -> None:
        self.iteration_bytes = iteration_bytes
        self._spent = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def __call__(self, size: int) -> None:
        """Return in an iteration of the loop that has room for work of ``size`` bytes."""
        if not self._spent:
            self._begin_iteration()
        elif self._waiting or self._spent + size > self.iteration_bytes:
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
            # What was granted already expires with this iteration.
            if entry in self._waiting:
                self._waiting.remove(entry)
            raise

    def _begin_iteration(self) -> None:
        # Runs in the next iteration, after what was scheduled before.
        asyncio.get_running_loop().call_soon(self._next_iteration)

    def _next_iteration(self) -> None:
        """Grant the next iteration to the first requests that fit."""
        self._spent = 0
        while self._waiting:
            later, size = self._waiting[0]
            if self._spent and self._spent + size > self.iteration_bytes:
                break
            self._waiting.popleft()
            if not later.done():
                later.set_result(None)
                self._spent += size or 1
        if self._spent:
            self._begin_iteration()

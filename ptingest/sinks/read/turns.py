"""Few questions at a time: so many are answered at once, so many wait, all others are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ptingest.errors import SinkUnavailable


class Turns:
    """The turns of one reader."""

    def __init__(self, sink: str, *, at_once: int, waiting: int) -> None:
        self._sink, self._most_waiting = sink, waiting
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Raises:
            SinkUnavailable: as many wait already as may.
        """
        if self._waiting >= self._most_waiting:
            raise SinkUnavailable(
                sink=self._sink,
                cause=f"{self._most_waiting} questions wait already, the limit; ask again soon",
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

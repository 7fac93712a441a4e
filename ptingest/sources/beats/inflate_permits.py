"""Permits to inflate a window: a few connections at once, or one alone for a large frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

INFLATE_PERMITS: Final = 4
"""Windows that may be inflated at the same time; the others wait compressed. A higher number
does not raise the throughput."""
LARGE_BYTES: Final = 8 << 20
"""A frame, or an event in one, that is larger is in memory several times while it is cut, so
it needs all permits."""


class InflatePermits(Protocol):
    """The permits that all connections share (a ``Budget`` counted in windows)."""

    async def take(self, count: int) -> None: ...
    def release(self, count: int) -> None: ...


class HeldPermits:
    """The permits that one connection holds or waits for."""

    def __init__(
        self, permits: InflatePermits, exclusive: asyncio.Lock, now: Callable[[], float]
    ) -> None:
        """``exclusive`` is shared by all connections; one that needs all permits takes this lock
        first. Therefore at most one such connection at a time stands in the queue for permits,
        and those that came while it held them are served before the next one."""
        self._permits, self._exclusive, self._now = permits, exclusive, now
        self._held = 0
        self._is_exclusive = False
        self.waiting_since: float | None = None

    async def take(self, count: int) -> None:
        """Release what is held, then wait for ``count`` permits."""
        self.give_back()
        self.waiting_since = self._now()
        try:
            if count == INFLATE_PERMITS:
                await self._exclusive.acquire()
                self._is_exclusive = True
            await self._permits.take(count)
            self._held = count
        finally:
            self.waiting_since = None
            if not self._held:
                self.give_back()

    def give_back(self) -> None:
        """Release every permit held; does nothing where none is held."""
        held, self._held = self._held, 0
        if held:
            self._permits.release(held)
        if self._is_exclusive:
            self._is_exclusive = False
            self._exclusive.release()

"""Whose turn it is to inflate a window: a few at once, one alone where its frame is large."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

TURNS: Final = 4
"""Windows inflated at once; the others wait compressed. More would not be faster."""
LARGE_BYTES: Final = 8 << 20
"""A frame, or an event in one, that is larger is in memory several times while it is cut, so
it takes all turns."""


class Turns(Protocol):
    """Who may inflate a window now (a ``Budget`` counted in windows)."""

    async def take(self, count: int) -> None: ...
    def release(self, count: int) -> None: ...


class HeldTurns:
    """The turns that one connection has, or waits for."""

    def __init__(self, turns: Turns, alone: asyncio.Lock, now: Callable[[], float]) -> None:
        """``alone`` is shared with all who take all turns. They wait for each other there, so
        that of all who wait for turns only one keeps out the others, and those who came while
        it had them are next."""
        self._turns, self._alone, self._now = turns, alone, now
        self._held = 0
        self._is_alone = False
        self.waiting_since: float | None = None

    async def take(self, count: int) -> None:
        """Wait for ``count`` of them, holding none meanwhile."""
        self.give_back()
        self.waiting_since = self._now()
        try:
            if count == TURNS:
                await self._alone.acquire()
                self._is_alone = True
            await self._turns.take(count)
            self._held = count
        finally:
            self.waiting_since = None
            if not self._held:
                self.give_back()

    def give_back(self) -> None:
        """Let the next ones in; nothing where none is held."""
        held, self._held = self._held, 0
        if held:
            self._turns.release(held)
        if self._is_alone:
            self._is_alone = False
            self._alone.release()

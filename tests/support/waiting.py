"""How tests wait: they look until something is so.

A test must pass on a busy machine. What it waits for wakes it (an event, a read, a future) or
is looked for here; the deadline only ends what would never end. Other tests sleep only where
nothing can race with it, and say why: ``tests/house/test_waiting.py`` holds them to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long a test waits for what must come: it only bounds a failure, so it is generous."""
LOOK_SECONDS = 0.005


async def until(look: Callable[[], T], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Look until something truthy is seen, and return it."""
    async with asyncio.timeout(seconds):
        while not (seen := look()):
            await asyncio.sleep(LOOK_SECONDS)
    return seen


async def until_told(ask: Callable[[], Awaitable[T]], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Ask until something truthy is answered, and return it."""
    async with asyncio.timeout(seconds):
        while not (told := await ask()):
            await asyncio.sleep(LOOK_SECONDS)
    return told


def wait_until(
    look: Callable[[], T],
    *,
    seconds: float = PATIENCE_SECONDS,
    otherwise: Callable[[], object] = lambda: "never seen",
) -> T:
    """As ``until``, where no event loop runs; ``otherwise`` says what was there instead."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, otherwise()
        time.sleep(LOOK_SECONDS)
    return seen

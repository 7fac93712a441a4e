"""Chooses the event loop: uvloop where it can be loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's; None, which is plain asyncio's, where it cannot be loaded."""
    try:
        import uvloop
    except ImportError:  # plain asyncio serves as well, only slower
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory

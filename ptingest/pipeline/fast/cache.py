"""What was made of values seen before, for values that come time and again.

Bounded in number and in the size of one: beyond the number a memory starts anew, larger
values are worked out each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CACHED_VALUES = 4096
"""Values remembered in each place: services, tag lists, agents, hosts ..."""
LONGEST_VALUE = 1024
"""Bytes."""


def remember(cache: dict[bytes, Any], key: bytes, value: object) -> None:
    """Put a value into a memory, if it may be there."""
    if len(key) > LONGEST_VALUE:
        return
    if len(cache) >= CACHED_VALUES:
        cache.clear()
    cache[key] = value


class ValueCache(dict[bytes, bytes | None]):
    """What a function makes of raw values."""

    def __init__(self, make: Callable[[bytes], bytes | None]) -> None:
        self._make = make

    def __missing__(self, raw: bytes) -> bytes | None:
        made = self._make(raw)
        remember(self, raw, made)
        return made

"""Results for values that appear again and again.

A cache is bounded in the number and in the size of its values: beyond the number it is emptied
and filled anew; larger values are computed each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CACHED_VALUES = 4096
"""Values in each cache: services, tag lists, agents, hosts ..."""
LONGEST_VALUE = 1024
"""Bytes."""


def remember(cache: dict[bytes, Any], key: bytes, value: object) -> None:
    """Put a value into a cache, unless it is too large."""
    if len(key) > LONGEST_VALUE:
        return
    if len(cache) >= CACHED_VALUES:
        cache.clear()
    cache[key] = value


class ValueCache(dict[bytes, bytes | None]):
    """Results of a function for raw values."""

    def __init__(self, make: Callable[[bytes], bytes | None]) -> None:
        self._make = make

    def __missing__(self, raw: bytes) -> bytes | None:
        made = self._make(raw)
        remember(self, raw, made)
        return made

"""Field references: ``a``, ``[a]``, ``[a][b]``, ``[list][0]``, ``[@metadata][x]``.

A reference is parsed once, when a config is compiled; a bad one is no error there but each time
it is used, as in Logstash.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ptingest.pipeline.logstash.values import FieldError


class Reference(NamedTuple):
    """A parsed reference: the keys from the event, or from its metadata, to the field."""

    text: str
    path: tuple[str, ...]
    is_metadata: bool
    """The path begins below ``@metadata``; an empty path is the metadata itself."""


@lru_cache(maxsize=10_000)
def parse_reference(text: str) -> Reference:
    """Parse a reference.

    Raises:
        FieldError: it is malformed, such as ``[a``, ``a]``, ``[a]b`` or ``[]``.
    """
    path = _path(text)
    if path[0] == "@metadata":
        return Reference(text, path[1:], True)
    return Reference(text, path, False)


def _path(text: str) -> tuple[str, ...]:
    """Brackets may be nested: ``[[a][b]]`` is ``[a][b]``. An empty text is an empty key."""
    if "[" not in text and "]" not in text:
        return (text,)
    keys = _keys(text)
    if keys is None:
        raise FieldError(f"invalid field reference {text!r}")
    return keys


def _keys(text: str) -> tuple[str, ...] | None:
    keys: list[str] = []
    depth = begin = 0
    for index, character in enumerate(text):
        if character == "[":
            if index != begin:
                return None
            depth, begin = depth + 1, index + 1
        elif character == "]":
            if depth == 0 or (index == begin and text[index - 1] != "]"):
                return None
            if index > begin:
                keys.append(text[begin:index])
            depth, begin = depth - 1, index + 1
        elif depth == 0:
            return None
    return tuple(keys) if depth == 0 else None

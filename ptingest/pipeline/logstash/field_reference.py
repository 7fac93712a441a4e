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
    if "[" not in text and "]" not in text:
        if not text:
            raise FieldError(f"invalid field reference {text!r}")
        return (text,)
    if not (text.startswith("[") and text.endswith("]")):
        raise FieldError(f"invalid field reference {text!r}")
    parts = text[1:-1].split("][")
    if any(not part or "[" in part or "]" in part for part in parts):
        raise FieldError(f"invalid field reference {text!r}")
    return tuple(parts)

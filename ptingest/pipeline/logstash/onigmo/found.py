"""What a search found, in the words of Python's ``re``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Found(Protocol):
    """A match; groups are called by their number, 0 is the whole.

    ``re.Match``, ``regex.Match`` and ``SpannedMatch`` are such.
    """

    def group(self, number: int = 0, /) -> Any:
        """Return the text of a group, None when it took no part."""

    def groups(self) -> tuple[Any, ...]:
        """Return the texts of all groups from 1."""

    def start(self, number: int = 0, /) -> int: ...

    def end(self, number: int = 0, /) -> int: ...


class SpannedMatch:
    """A match by its places in the text."""

    __slots__ = ("_spans", "_text")

    def __init__(self, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self._text, self._spans = text, spans

    def group(self, number: int = 0, /) -> str | None:
        start, end = self._spans[number]
        return None if start < 0 else self._text[start:end]

    def groups(self) -> tuple[str | None, ...]:
        return tuple(self.group(number) for number in range(1, len(self._spans)))

    def start(self, number: int = 0, /) -> int:
        return self._spans[number][0]

    def end(self, number: int = 0, /) -> int:
        return self._spans[number][1]

"""Matches texts with ``*`` in time linear in the text, however many there are.

The pieces between two ``*`` are searched in order, each at the first place after the one
before: a later place only leaves less text for the rest, so no place is tried twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def glob_until_nul(pieces: Sequence[str]) -> Callable[[str], bool]:
    """Return the same test as SQLite's GLOB, which ends both sides at a NUL."""
    kept: list[str] = []
    for piece in pieces:
        before, nul, _ = piece.partition("\0")
        kept.append(before)
        if nul:
            break
    fits = glob_test(kept)
    return lambda text: fits(text.partition("\0")[0])


def glob_test(pieces: Sequence[str]) -> Callable[[str], bool]:
    """Return a test of a whole text; ``pieces`` are the texts between the ``*``, at least one."""
    if len(pieces) == 1:
        return pieces[0].__eq__
    first, *between, last = pieces
    middle = [piece for piece in between if piece]
    shortest = sum(map(len, pieces))

    def fits(text: str) -> bool:
        if len(text) < shortest or not (text.startswith(first) and text.endswith(last)):
            return False
        place, end = len(first), len(text) - len(last)
        for piece in middle:
            place = text.find(piece, place, end)
            if place < 0:
                return False
            place += len(piece)
        return True

    return fits

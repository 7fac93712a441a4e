"""Reads the dead letters for the console: off the loop, one look at a time, bounded.

A look goes from the newest segment to the oldest and ends at a number of letters or after
some seconds; the answer says whether the scan was incomplete. Of each letter only what a list
shows is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from ptingest.dead_letters.groups import LetterGroups, is_chosen, row_of
from ptingest.dead_letters.queue import StoredLetter, decode_letter, id_of, read_filed
from ptingest.dead_letters.segments import segments
from ptingest.dead_letters.tombstones import marks_of
from ptingest.model.letters import LetterFilter, LetterPage, LetterRow, WholeLetter

LETTERS = 200_000
"""Letters counted at once."""
ROWS = 2_000
"""Rows kept of those that match; the list ends there."""
KINDS = 500
"""Kinds that are counted; data streams come from events."""
SECONDS = 3.0
YIELD_LETTERS = 500
"""After this many letters the thread lets the event loop run."""
FRESH_SECONDS = 2.0
"""A result this recent is used again: pages refresh themselves."""


class DeadLetterBrowser:
    """Counts, lists and finds the dead letters of one folder, for the console."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._clock = directory, clock
        self._lock = asyncio.Semaphore(1)
        self._last: tuple[float, LetterFilter, LetterPage] | None = None

    async def look(self, choice: LetterFilter) -> LetterPage:
        """Count all letters by kind, and those that ``choice`` takes; list these, newest first."""
        async with self._lock:
            if self._last is not None:
                at, known, look = self._last
                if known == choice and self._clock() - at < FRESH_SECONDS:
                    return look
            look = await asyncio.to_thread(self._look, choice)
            self._last = (self._clock(), choice, look)
            return look

    def forget(self) -> None:
        """Read the folder again next time: something was changed."""
        self._last = None

    async def find(self, letter_id: str) -> WholeLetter | None:
        """Return one waiting letter."""
        if not letter_id.isascii() or not letter_id.isalnum():
            return None
        async with self._lock:
            stored = await asyncio.to_thread(self._find, letter_id)
        if stored is None:
            return None
        letter = stored.letter
        row = row_of(stored)._replace(detail=letter.detail)
        return WholeLetter(row, letter.key, letter.payload)

    def _look(self, choice: LetterFilter) -> LetterPage:
        groups = LetterGroups(limit=KINDS)
        rows: list[LetterRow] = []
        seen = fit = 0
        until = self._clock() + SECONDS
        is_cut = False
        letters = read_filed(self._directory, newest_segment_first=True)
        for _, filed in groupby(letters, key=lambda one: one.segment):
            newest: deque[LetterRow] = deque(maxlen=max(0, ROWS - len(rows)))
            for one in filed:
                seen += 1
                groups.add(one.stored)
                if is_chosen(one.stored, choice):
                    fit += 1
                    newest.append(row_of(one.stored))
                if seen % YIELD_LETTERS == 0:
                    time.sleep(0)
                    is_cut = seen >= LETTERS or self._clock() > until
                if is_cut:
                    break
            rows += reversed(newest)
            if is_cut:
                break
        return LetterPage(groups.most_common(), seen, fit, rows, is_cut)

    def _find(self, letter_id: str) -> StoredLetter | None:
        for path in reversed(segments(self._directory)):
            try:
                if letter_id in marks_of(path):
                    return None
                with path.open("rb") as file:
                    for line in file:
                        if id_of(line) == letter_id:
                            return decode_letter(line)
            except FileNotFoundError:  # expired or purged while we read
                continue
        return None

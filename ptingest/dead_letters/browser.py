"""Reads the dead letters for the console: off the loop, one look at a time, bounded.

A look goes from the newest segment to the oldest and ends at a number of letters or after
some seconds; the answer says whether the scan was incomplete. Of each letter only what a list
shows is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from ptingest.dead_letters.queue import StoredLetter, decode_letter, id_of, read_filed
from ptingest.dead_letters.segments import segments
from ptingest.dead_letters.tombstones import marks_of
from ptingest.model.letters import LetterPage, LetterRow, WholeLetter

LETTERS = 200_000
"""Letters counted at once."""
ROWS = 2_000
"""Rows kept of those that match; the list ends there."""
KINDS = 500
"""Pairs of reason and data stream that are counted; data streams come from events."""
SECONDS = 3.0
YIELD_LETTERS = 500
"""After this many letters the thread lets the event loop run."""
FRESH_SECONDS = 2.0
"""A result this recent is used again: pages refresh themselves."""
DETAIL_CHARACTERS = 300


class DeadLetterBrowser:
    """Counts, lists and finds the dead letters of one folder, for the console."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._clock = directory, clock
        self._lock = asyncio.Semaphore(1)
        self._last: tuple[float, tuple[str, str], LetterPage] | None = None

    async def look(self, *, reason: str, data_stream: str) -> LetterPage:
        """Count all letters and list those that match, newest first; empty matches everything."""
        wanted = (reason, data_stream)
        async with self._lock:
            if self._last is not None:
                at, known, look = self._last
                if known == wanted and self._clock() - at < FRESH_SECONDS:
                    return look
            look = await asyncio.to_thread(self._look, reason, data_stream)
            self._last = (self._clock(), wanted, look)
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
        return WholeLetter(_row(stored, len(stored.letter.detail)), stored.letter.key,
                     stored.letter.payload)  # fmt: skip

    def _look(self, reason: str, data_stream: str) -> LetterPage:
        kinds: Counter[tuple[str, str]] = Counter()
        rows: list[LetterRow] = []
        seen = fit = 0
        until = self._clock() + SECONDS
        is_cut = False
        letters = read_filed(self._directory, newest_segment_first=True)
        for _, filed in groupby(letters, key=lambda one: one.segment):
            newest: deque[LetterRow] = deque(maxlen=max(0, ROWS - len(rows)))
            for one in filed:
                seen += 1
                letter = one.stored.letter
                kind = (letter.reason, letter.data_stream or "")
                if kind in kinds or len(kinds) < KINDS:
                    kinds[kind] += 1
                if reason in ("", kind[0]) and data_stream in ("", kind[1]):
                    fit += 1
                    newest.append(_row(one.stored, DETAIL_CHARACTERS))
                if seen % YIELD_LETTERS == 0:
                    time.sleep(0)
                    is_cut = seen >= LETTERS or self._clock() > until
                if is_cut:
                    break
            rows += reversed(newest)
            if is_cut:
                break
        return LetterPage(kinds.most_common(), seen, fit, rows, is_cut)

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


def _row(stored: StoredLetter, characters: int) -> LetterRow:
    letter = stored.letter
    return LetterRow(
        id=stored.id,
        time=stored.time,
        reason=letter.reason,
        detail=letter.detail[:characters],
        service=letter.service,
        data_stream=letter.data_stream or "",
        peer=letter.peer,
        size=len(letter.payload),
    )

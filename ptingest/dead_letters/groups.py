"""Letters by kind, and as rows of a list, for the console and the command line."""

from __future__ import annotations

from ptingest.dead_letters.event_preview import event_preview
from ptingest.dead_letters.queue import StoredLetter
from ptingest.model.letters import LetterFilter, LetterGroup, LetterKind, LetterRow

DETAIL_CHARACTERS = 300


def is_chosen(stored: StoredLetter, choice: LetterFilter) -> bool:
    """Whether a letter passes every filter that is set."""
    letter = stored.letter
    return choice.takes(
        letter_id=stored.id,
        time=stored.time,
        reason=letter.reason,
        data_stream=letter.data_stream,
    )


def row_of(stored: StoredLetter) -> LetterRow:
    """Return what a list shows of a letter."""
    letter = stored.letter
    preview = event_preview(letter.payload)
    detail = letter.detail[:DETAIL_CHARACTERS]
    return LetterRow(
        id=stored.id,
        time=stored.time,
        reason=letter.reason,
        detail=f"{letter.count} times: {detail}" if letter.count > 1 else detail,
        service=preview.service,
        message=preview.message,
        data_stream=letter.data_stream,
        peer=letter.peer,
        size=len(letter.payload),
    )


class LetterGroups:
    """Counts letters by kind; beyond ``limit`` kinds only ``left_out`` is counted."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._groups: dict[LetterKind, LetterGroup] = {}
        self.left_out = 0
        """Letters of kinds that are not counted."""

    def add(self, stored: StoredLetter) -> bool:
        """Count one letter; the first one of its kind is the example. False: it is left out."""
        kind = LetterKind(stored.letter.reason, stored.letter.data_stream)
        known = self._groups.get(kind)
        if known is not None:
            self._groups[kind] = known._replace(
                letters=known.letters + 1,
                oldest=min(known.oldest, stored.time),
                newest=max(known.newest, stored.time),
            )
        elif len(self._groups) < self._limit:
            self._groups[kind] = LetterGroup(kind, 1, stored.time, stored.time, row_of(stored))
        else:
            self.left_out += 1
            return False
        return True

    def most_common(self) -> list[LetterGroup]:
        """Return the groups, most letters first."""
        return sorted(self._groups.values(), key=lambda one: -one.letters)

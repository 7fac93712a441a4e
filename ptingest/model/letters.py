"""Requests about the dead letters, and their results.

    Order(what, choice) --> ... --> Tally

The same types travel from the command line, over HTTP to a running server, or directly to the
code that carries them out. Unknown keys are refused, so that a misspelled filter never chooses
all letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from ptingest.model.outcome import Fate

MAX_SECONDS = 86_400.0

_FIRST_THAT_HOLDS = (
    *(Fate.DEAD_LETTERED, Fate.STORED, Fate.FAILURE_STORED, Fate.ALREADY_STORED),
    Fate.BUFFERED,
)
"""With several sinks a letter is counted once, under the first of these fates that any sink
has."""


class LetterKind(NamedTuple):
    """What letters are grouped by."""

    reason: str
    data_stream: str | None
    """None for letters whose event never had one."""


class LetterFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters are chosen: those that pass every filter that is set; without a filter,
    none."""

    everything: bool = False
    reasons: tuple[str, ...] = ()
    data_streams: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    kinds: tuple[LetterKind, ...] = ()
    before: str | None = None
    """Written before this time, RFC 3339 in UTC with milliseconds, the form that letters have."""

    @property
    def is_empty(self) -> bool:
        """No filter is set, and ``everything`` is not set either."""
        named = self.reasons or self.data_streams or self.ids or self.kinds or self.before
        return not (self.everything or named)

    def takes(self, *, letter_id: str, time: str, reason: str, data_stream: str | None) -> bool:
        """Whether one letter is chosen."""
        return (
            not self.is_empty
            and (not self.reasons or reason in self.reasons)
            and (not self.data_streams or data_stream in self.data_streams)
            and (not self.ids or letter_id in self.ids)
            and (not self.kinds or (reason, data_stream) in self.kinds)
            and (self.before is None or time < self.before)
        )


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request to requeue or purge letters."""

    what: Literal["requeue", "purge"]
    choice: LetterFilter
    seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)] = 300.0
    """A letter that is not settled by then stays a dead letter."""
    of: Literal["dead_letters", "failures"] = "dead_letters"
    """``failures``: the documents that Elasticsearch put into failure stores."""
    deletes: bool = False
    """Whether failure documents are deleted once they are safe elsewhere; letters always are."""
    pid: int | None = None
    """The server that the order is for; another server refuses it."""


class Tally(msgspec.Struct):
    """The fates of the letters chosen so far; each letter is in exactly one number beside
    ``chosen``."""

    chosen: int = 0
    stored: int = 0
    already_stored: int = 0
    failure_stored: int = 0
    buffered: int = 0
    """By a receiver, in the topic of its buffer."""
    dead_lettered: int = 0
    """Refused again: a new letter is on disk, the old one is done."""
    dropped: int = 0
    """By a rule of the present profile, on purpose."""
    purged: int = 0
    left: int = 0
    """Not settled: these letters stay as they were."""
    left_because: str | None = None
    """The first reason; the reasons of the others are mostly the same."""
    deleted: int = 0
    """Failure documents that were deleted after they had been requeued."""
    kept_because: str | None = None
    """Why failure documents were not deleted, as was asked for."""

    @property
    def settled(self) -> int:
        """Letters that are done."""
        safe = self.stored + self.already_stored + self.failure_stored + self.buffered
        return safe + self.dead_lettered + self.dropped + self.purged

    def count(self, fates: Sequence[str]) -> Fate:
        """Add one letter that is safe with each sink; return the fate it is counted under."""
        fate = next((fate for fate in _FIRST_THAT_HOLDS if fate in fates), Fate.DROPPED)
        setattr(self, fate, getattr(self, fate) + 1)
        return fate

    def leave(self, because: str) -> None:
        """Add one letter that stays."""
        self.left += 1
        self.left_because = self.left_because or because


class LetterRow(NamedTuple):
    """A letter in a list."""

    id: str
    time: str
    reason: str
    detail: str
    service: str
    """As the event was sent with; empty where it does not say."""
    message: str
    """Its beginning; of a payload that is no event the beginning of that."""
    data_stream: str | None
    peer: str
    size: int


class WholeLetter(NamedTuple):
    """A letter on its own page; its row has the complete detail."""

    row: LetterRow
    key: str | None
    payload: bytes


class LetterGroup(NamedTuple):
    """The waiting letters of one kind."""

    kind: LetterKind
    letters: int
    oldest: str
    newest: str
    """Times as letters have them."""
    example: LetterRow


class LetterPage(NamedTuple):
    """What one read of the folder found."""

    groups: Sequence[LetterGroup]
    """Most letters first."""
    seen: int
    fit: int
    rows: Sequence[LetterRow]
    """The newest letters that match."""
    is_cut: bool
    """The folder has more letters than one read counts; the newest were counted."""

"""What may be asked of the dead letters, and what became of it.

    Order(what, choice) --> ... --> Tally

The same words travel from the command line, over HTTP to a running server, or straight to
the one who carries them out. Unknown keys are refused, so that a filter misspelled never
chooses everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from ptingest.model.outcome import Fate

MAX_SECONDS = 86_400.0

_FIRST_THAT_HOLDS = (Fate.DEAD_LETTERED, Fate.STORED, Fate.FAILURE_STORED, Fate.ALREADY_STORED)
"""With several sinks a letter is told once, by the fate that says most."""


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters are meant: those that pass every filter given; without one, none."""

    everything: bool = False
    reasons: tuple[str, ...] = ()
    data_streams: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    before: str | None = None
    """Written before this time, RFC 3339 in UTC with milliseconds, as letters carry it."""

    @property
    def is_empty(self) -> bool:
        """Nothing was named, and not everything meant either."""
        named = self.reasons or self.data_streams or self.ids or self.before
        return not (self.everything or named)

    def takes(self, *, letter_id: str, time: str, reason: str, data_stream: str | None) -> bool:
        """Whether one letter is meant."""
        return (
            not self.is_empty
            and (not self.reasons or reason in self.reasons)
            and (not self.data_streams or data_stream in self.data_streams)
            and (not self.ids or letter_id in self.ids)
            and (self.before is None or time < self.before)
        )


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One requeue or purge, as it is asked for."""

    what: Literal["requeue", "purge"]
    choice: Choice
    seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)] = 300.0
    """What is not settled by then stays a dead letter."""
    pid: int | None = None
    """The server that is meant; another one refuses."""


class Tally(msgspec.Struct):
    """What became of the letters chosen so far; each is in exactly one number but ``chosen``."""

    chosen: int = 0
    stored: int = 0
    already_stored: int = 0
    failure_stored: int = 0
    dead_lettered: int = 0
    """Refused again: a new letter is on disk, the old one is done."""
    dropped: int = 0
    """By a rule of the profile in force now, on purpose."""
    purged: int = 0
    left: int = 0
    """Not settled: they stay as they were."""
    left_because: str | None = None
    """The first reason; the others are mostly the same."""

    @property
    def settled(self) -> int:
        """Letters that are done."""
        safe = self.stored + self.already_stored + self.failure_stored
        return safe + self.dead_lettered + self.dropped + self.purged

    def count(self, fates: Sequence[str]) -> Fate:
        """Add one letter that is safe with each sink; returns the fate it is told by."""
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
    data_stream: str
    peer: str
    size: int


class WholeLetter(NamedTuple):
    """A letter on its own page; its row has the whole detail."""

    row: LetterRow
    key: str | None
    payload: bytes


class LetterPage(NamedTuple):
    """One look at the folder."""

    kinds: Sequence[tuple[tuple[str, str], int]]
    """((reason, data stream), how many), most first."""
    seen: int
    fit: int
    rows: Sequence[LetterRow]
    """The newest that fit."""
    is_cut: bool
    """There are more letters than one look counts; the newest were counted."""

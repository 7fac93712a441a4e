"""Where a replay stands: a small file, so that one that was interrupted goes on.

    what was asked    which times, of which topics, into what
    span              of each partition: the next offset, and where it ends

Only what is safe is behind ``next``, so events may be read twice and are known by their keys.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ptingest.errors import ReplayRefused
from ptingest.kafka.polled import Partition
from ptingest.kafka.spans import Span
from ptingest.model.disk import sync_folder

FILE = "position.json"


class Asked(msgspec.Struct, frozen=True):
    """What a replay is asked for, times as they were written: the same command goes on where it
    was interrupted, and another one cannot."""

    since: str
    until: str | None
    topics: tuple[str, ...]
    profile: str
    """SHA-256 of the rules, so that one half is not made by other rules than the other."""


class _Stretch(msgspec.Struct):
    topic: str
    partition: int
    next: int
    end: int


class _File(msgspec.Struct):
    asked: Asked
    events: int
    stretches: list[_Stretch]


class Position:
    """The position of one replay, and its file."""

    def __init__(self, folder: Path, asked: Asked, spans: dict[Partition, Span]) -> None:
        self._path = folder / FILE
        self.asked, self.spans = asked, spans
        """What is left of each partition; one that is done is empty."""
        self.events = 0
        """Events that are safe."""

    @classmethod
    def load(cls, folder: Path, asked: Asked) -> Position | None:
        """Return the position of the replay that stopped here; None where there is none.

        Raises:
            ReplayRefused: it was another one, or its file cannot be read.
        """
        path = folder / FILE
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, OSError) as error:
            raise ReplayRefused(f"{path} cannot be read: {error}; --again begins anew") from None
        if found.asked != asked:
            raise ReplayRefused(
                f"{folder} has a replay of other times, topics or rules, with {found.events} "
                "events done; --again begins anew, or choose another --namespace"
            )
        spans = {Partition(one.topic, one.partition): Span(one.next, one.end)
                 for one in found.stretches}  # fmt: skip
        position = cls(folder, asked, spans)
        position.events = found.events
        return position

    @property
    def left(self) -> int:
        """Offsets that were not read, or are not safe yet."""
        return sum(span.end - span.first for span in self.spans.values())

    def done(self, partition: Partition, following: int, events: int) -> None:
        """Records before offset ``following`` are safe; they held ``events`` more."""
        span = self.spans[partition]
        self.spans[partition] = span._replace(first=max(span.first, min(following, span.end)))
        self.events += events

    def forget(self) -> None:
        """The replay is over: the same command begins another one."""
        self._path.unlink()

    def save(self) -> None:
        """Write the file, all or nothing."""
        stretches = [_Stretch(*one, span.first, span.end) for one, span in self.spans.items()]
        written = msgspec.json.encode(_File(self.asked, self.events, stretches))
        beside = self._path.with_suffix(".new")
        beside.write_bytes(written)
        beside.replace(self._path)
        sync_folder(self._path.parent)

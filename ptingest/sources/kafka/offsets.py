"""Which offset of a partition may be committed. Pure.

Records are read in runs, in order of their offsets, and become safe in any order. What is
committed is the offset after the last record of which it and all before it are safe: whoever
reads on from there leaves nothing out.
"""

from __future__ import annotations

from collections import deque


class Run:
    """Records of one partition that follow each other and are safe together."""

    __slots__ = ("began_at", "first", "following", "safe")

    def __init__(self, first: int, following: int, began_at: float) -> None:
        self.first = first
        """The first one's offset."""
        self.following = following
        """The offset after the last one's; offsets between may be missing, since compaction and
        transactions leave gaps."""
        self.began_at = began_at
        self.safe = False


class PartitionOffsets:
    """The runs of one partition that are not safe yet, in order."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self._safe: int | None = None
        self._next: int | None = None

    @property
    def safe(self) -> int | None:
        """The offset that may be committed; None where nothing was read yet."""
        return self._safe

    @property
    def unsafe(self) -> int | None:
        """The first offset that is not safe, where reading must begin again; None where nothing
        was read yet."""
        return self._runs[0].first if self._runs else self._next

    @property
    def oldest_began_at(self) -> float | None:
        """When the first run that is not safe was read; None where all are."""
        return self._runs[0].began_at if self._runs else None

    def begin_at(self, offset: int) -> None:
        """The partition is read from ``offset`` on; what lies before is none of ours. Where that is
        before what was read, the topic lost records: offsets count anew, and runs that are not safe
        are forgotten."""
        if self._next is not None and offset < self._next:
            self._runs.clear()
        if not self._runs:
            self._safe = self._next = offset

    def begin(self, first: int, following: int, now: float) -> Run:
        """Add a run that was read; it comes after all others."""
        if self._next is not None and first < self._next:
            raise AssertionError(f"offset {first} was read after {self._next - 1}")
        if following <= first:
            raise AssertionError(f"a run from {first} ends before {following}")
        run = Run(first, following, now)
        self._runs.append(run)
        self._next = following
        if self._safe is None:
            self._safe = first
        return run

    def reach(self, offset: int) -> None:
        """Nothing lies between what was read and ``offset``: compaction leaves gaps, and marks of
        transactions are no records. An offset before what was read tells nothing."""
        if self._next is not None and offset < self._next:
            return
        self._next = offset
        if self._runs:
            self._runs[-1].following = offset
        else:
            self._safe = offset

    def settle(self, run: Run) -> None:
        """All records of a run are safe. A run that ``restart`` forgot changes nothing."""
        run.safe = True
        while self._runs and self._runs[0].safe:
            self._safe = self._runs.popleft().following

    def restart(self) -> int | None:
        """Forget the runs that are not safe, and return where to read them from again."""
        again = self.unsafe
        self._runs.clear()
        self._next = again
        return again

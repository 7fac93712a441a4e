"""How long each write under way may be silent.

fresh, nothing else known       as long as the sink itself waits
later writes are answered       ``patient`` seconds from its beginning
the sink says that it is well   the same
a suspect                       what it was begun with
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ptingest.delivery.batch import Batch


class Deadlines:
    """One for each attempt of a lane; lives on its loop."""

    def __init__(self) -> None:
        self._under_way: dict[Batch, tuple[float, asyncio.Timeout]] = {}

    def begin(self, batch: Batch, began: float, seconds: float | None) -> asyncio.Timeout:
        """Return the deadline of an attempt that begins now; None: there is none yet."""
        deadline = asyncio.timeout(seconds)
        self._under_way[batch] = began, deadline
        return deadline

    def over(self, batch: Batch) -> None:
        """The attempt ended."""
        del self._under_way[batch]

    def silent(self, now: float, patient: float) -> int:
        """How many attempts had no answer for so long, suspects apart."""
        return len(list(self._silent(now, patient)))

    def next_silent(self, now: float, patient: float) -> list[float]:
        """When each of the others will have been silent for so long."""
        ends = (began + patient for began, _ in self._under_way.values())
        return [end for end in ends if end > now]

    def answered(self, sent_at: float, now: float, patient: float) -> None:
        """A write was answered: what was sent before it has only so long to be answered, too."""
        for began, deadline in self._under_way.values():
            if began < sent_at and deadline.when() is None and not deadline.expired():
                _set(deadline, max(0.0, began + patient - now))

    def give_up_silent(self, now: float, patient: float) -> None:
        """End every attempt that was silent for so long."""
        for deadline in self._silent(now, patient):
            if not deadline.expired():
                _set(deadline, 0.0)

    def _silent(self, now: float, patient: float) -> Iterator[asyncio.Timeout]:
        for batch, (began, deadline) in self._under_way.items():
            if now - began >= patient and not batch.is_suspect:
                yield deadline


def _set(deadline: asyncio.Timeout, seconds: float) -> None:
    deadline.reschedule(asyncio.get_running_loop().time() + seconds)

"""How long each write in flight may go without an answer.

a first attempt                 as long as the sink itself waits
a later write is answered       ``patient`` seconds from its beginning
a health check succeeds         the same
a suspect                       the deadline it was begun with
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ptingest.delivery.batch import Batch


class Deadlines:
    """The deadlines of one lane's attempts; lives on its loop."""

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
        """Return how many attempts had no answer for so long, suspects apart."""
        return len(list(self._silent(now, patient)))

    def next_silent(self, now: float, patient: float) -> list[float]:
        """Return when each of the others will have had no answer for so long."""
        ends = (began + patient for began, _ in self._under_way.values())
        return [end for end in ends if end > now]

    def answered(self, sent_at: float, now: float, patient: float) -> None:
        """A write was answered: those sent before it have ``patient`` seconds in all."""
        for began, deadline in self._under_way.values():
            if began < sent_at and deadline.when() is None and not deadline.expired():
                _set(deadline, max(0.0, began + patient - now))

    def give_up_silent(self, now: float, patient: float) -> None:
        """End every attempt that had no answer for so long."""
        for deadline in self._silent(now, patient):
            if not deadline.expired():
                _set(deadline, 0.0)

    def _silent(self, now: float, patient: float) -> Iterator[asyncio.Timeout]:
        for batch, (began, deadline) in self._under_way.items():
            if now - began >= patient and not batch.is_suspect:
                yield deadline


def _set(deadline: asyncio.Timeout, seconds: float) -> None:
    deadline.reschedule(asyncio.get_running_loop().time() + seconds)

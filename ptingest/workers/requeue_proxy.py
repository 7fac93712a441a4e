"""Orders for the dead letters where several workers run: each goes to one of them.

A letter is handled once since one worker handles all of an order, within its own small part
of the memory; when that worker dies the letters not yet marked stay, and doing it again
doubles nothing. Afterwards every worker lets go of done letters in its own segment.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from ptingest.errors import ErrandRefused, PtingestError
from ptingest.model.letters import Order, Tally
from ptingest.workers.dispatcher import by_load
from ptingest.workers.messages import ORDER, PROGRESS, SWEEP, Progress
from ptingest.workers.pool import Crew, Slot
from ptingest.workers.rpc import NOTHING

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
ANSWER_SECONDS = 10.0
SWEEP_SECONDS = 30.0


class Relay:
    """Implements ``LettersDesk`` for a supervisor."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._number = 0
        self._what: str | None = None
        self._seen: Progress = {}
        self._failed: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped: str | None = None

    def begin(self, order: Order) -> dict[str, object]:
        """Give an order to the least loaded worker and return `progress`.

        Raises:
            ErrandRefused: another is under way, no worker runs, or the server is stopping.
        """
        if self._stopped is not None:
            raise ErrandRefused(why=self._stopped)
        if self._task is not None and not self._task.done():
            raise ErrandRefused(why=f"a {self._what} is under way here")
        running = sorted(self._crew.running, key=by_load)
        if not running:
            raise ErrandRefused(why="no worker is running")
        self._number += 1
        self._what, self._failed, self._seen = order.what, None, {}
        meant = msgspec.structs.replace(order, pid=None)  # ours, and looked at already
        self._task = asyncio.create_task(self._follow(running[0], meant), name="dead letters")
        return self.progress()

    def stop(self, why: str) -> None:
        """Take no more orders; the worker ends the one under way in its own drain."""
        self._stopped = why

    def progress(self) -> dict[str, object]:
        """How far the last order is, as one worker would say it."""
        if self._what is None:
            return {"number": 0, "what": None, "finished": True}
        is_done = self._task is None or self._task.done()
        return {
            "open_bytes": 0,
            "open_limit_bytes": 0,
            "tally": msgspec.structs.asdict(Tally()),
            **self._seen,
            "number": self._number,
            "what": self._what,
            "finished": is_done,
            "failed": self._failed or self._seen.get("failed"),
        }

    async def _follow(self, slot: Slot, order: Order) -> None:
        seen = await self._crew.ask(slot, ORDER, order, seconds=ANSWER_SECONDS)
        while not isinstance(seen, PtingestError):
            self._seen = seen
            if seen["finished"]:
                break
            await asyncio.sleep(LOOK_SECONDS)
            seen = await self._crew.ask(slot, PROGRESS, NOTHING, seconds=ANSWER_SECONDS)
        if isinstance(seen, PtingestError):
            self._failed = f"{slot.name}: {seen}; letters not settled stay, do it again"
            log.error("dead letters: the %s ended early: %s", order.what, self._failed)
        answers = await self._crew.ask_all(SWEEP, NOTHING, seconds=SWEEP_SECONDS)
        for number, answer in answers.items():
            if isinstance(answer, PtingestError):
                log.warning("worker %d did not sweep its dead letters: %s", number, answer)

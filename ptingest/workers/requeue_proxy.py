"""Passes each job for the dead letters on to one of several workers.

One worker handles the whole job, so each letter is handled once. When that worker dies, the
letters not yet marked stay, and a second job stores none of them twice. Afterwards every
worker removes done letters from its own segment.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from ptingest.errors import JobRefused, PtingestError
from ptingest.model.letters import Order, Tally
from ptingest.workers.dispatcher import by_load
from ptingest.workers.messages import ORDER, PROGRESS, SWEEP, Progress
from ptingest.workers.pool import PoolWorker, WorkerPool
from ptingest.workers.rpc import NOTHING

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
ANSWER_SECONDS = 10.0
SWEEP_SECONDS = 30.0


class RequeueProxy:
    """Implements ``DeadLetterJobs`` for a supervisor."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._number = 0
        self._what: str | None = None
        self._seen: Progress = {}
        self._failed: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped: str | None = None

    def begin(self, order: Order) -> dict[str, object]:
        """Begin a job in the least loaded worker and return `progress`.

        Raises:
            JobRefused: another job is running, no worker runs, or the server is stopping.
        """
        if self._stopped is not None:
            raise JobRefused(why=self._stopped)
        if self._task is not None and not self._task.done():
            raise JobRefused(why=f"a {self._what} is already running")
        running = sorted(self._pool.running, key=by_load)
        if not running:
            raise JobRefused(why="no worker is running")
        self._number += 1
        self._what, self._failed, self._seen = order.what, None, {}
        order = msgspec.structs.replace(order, pid=None)  # ours, and checked already
        self._task = asyncio.create_task(self._follow(running[0], order), name="dead letters")
        return self.progress()

    def stop(self, why: str) -> None:
        """Accept no more jobs; the worker ends the current one in its own drain."""
        self._stopped = why

    def progress(self) -> dict[str, object]:
        """The progress of the last job, as one worker would report it."""
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

    async def _follow(self, worker: PoolWorker, order: Order) -> None:
        seen = await self._pool.request(worker, ORDER, order, seconds=ANSWER_SECONDS)
        while not isinstance(seen, PtingestError):
            self._seen = seen
            if seen["finished"]:
                break
            await asyncio.sleep(LOOK_SECONDS)
            seen = await self._pool.request(worker, PROGRESS, NOTHING, seconds=ANSWER_SECONDS)
        if isinstance(seen, PtingestError):
            self._failed = f"{worker.name}: {seen}; letters not settled stay; run it again"
            log.error("dead letters: the %s ended early: %s", order.what, self._failed)
        answers = await self._pool.request_all(SWEEP, NOTHING, seconds=SWEEP_SECONDS)
        for number, answer in answers.items():
            if isinstance(answer, PtingestError):
                log.warning("worker %d did not sweep its dead letters: %s", number, answer)

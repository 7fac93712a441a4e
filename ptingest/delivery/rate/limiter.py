"""How fast a lane writes: backoff, tuned limits, and AIMD after a complaint of the sink.

    Backoff     the sink as a whole: nothing is sent until a time
    Tuner       how many batches in flight, how large, while all is well
    Aimd       after a complaint: half as many in flight, one more after each good round

Every attempt takes an ``AttemptStart`` along and hands it back: batches sent together fail
together, and only the first complaint of a round counts. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from ptingest.delivery.batch import Batcher
from ptingest.delivery.rate.tuner import Tuner
from ptingest.delivery.retry import Backoff
from ptingest.model.outcome import WriteResult
from ptingest.settings.sinks import LaneSettings

LASTING_ROUNDS = 16
"""After a complaint within so many rounds of the last one, so many in flight were too many."""


class AttemptStart(NamedTuple):
    """When an attempt began, and in which round and epoch."""

    at: float
    """Monotonic seconds."""
    round: int
    epoch: int
    is_full: bool
    """The batch was closed since it was full: more of the same waited."""


class EndedAttempt(NamedTuple):
    """An attempt that ended."""

    start: AttemptStart
    ended: float
    """Monotonic seconds."""
    is_crowded: bool
    """When it ended every slot was taken, and fresh documents waited for one."""


class Aimd:
    """Limits the batches in flight after a complaint: halved, then raised by one a round."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """None while the tuner's limit holds."""
        self.round = 0
        self._successes = 0
        self._has_risen = False
        self._since = 0
        """Batches taken since the last complaint."""

    def halve(self, round_: int, target: int) -> bool:
        """Halve, once a round; return whether the last rise towards ``target`` was refused."""
        self._successes = 0
        if round_ != self.round:
            return False
        self.round += 1
        is_in_vain = self._has_risen and self._since < LASTING_ROUNDS * target
        self.limit = max(1, min(target, self.limit or target) // 2)
        self._has_risen, self._since = False, 0
        return is_in_vain

    def note_success(self, round_: int, target: int) -> None:
        """A batch was taken: after a round of them one more may be in flight."""
        is_new = round_ == self.round
        self._since += is_new
        if self.limit is None:
            return
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            # What was sent before the last complaint says nothing about the time after it.
            self._has_risen = self._has_risen or is_new
            self.limit += 1
            if self.limit >= target:
                self.limit = None


class RateLimiter:
    """Backoff, tuner and AIMD limit, moved together."""

    def __init__(self, *, initial_seconds: float, max_seconds: float, tuner: Tuner) -> None:
        self.backoff = Backoff(initial_seconds=initial_seconds, max_seconds=max_seconds)
        self.tuner = tuner
        self.aimd = Aimd()
        self.last_complaint: str | None = None

    @property
    def concurrency(self) -> int:
        """How many batches may be in flight now."""
        found = self.tuner.limits.concurrency
        return found if self.aimd.limit is None else min(self.aimd.limit, found)

    def begin(self, now: float, *, is_full: bool) -> AttemptStart:
        """An attempt begins."""
        return AttemptStart(now, self.aimd.round, self.tuner.began(), is_full)

    def aim(self, fresh: Batcher) -> None:
        """Let batches be as large as was found, and learn how large they may be."""
        self.tuner.ceiling_bytes = fresh.taken_bytes
        fresh.aim(self.tuner.limits.documents, self.tuner.limits.size)

    def overloaded(
        self, attempt: EndedAttempt, chance: float, retry_after: float | None, what: str
    ) -> None:
        """The sink as a whole needs time; batches sent together count as one failure."""
        if attempt.start.round == self.aimd.round or retry_after is not None:
            self.backoff.failed(attempt.ended, chance, retry_after)
        self.tuner.ended(attempt.start.epoch)
        self._complained(attempt, what)

    def ended(self, attempt: EndedAttempt) -> None:
        """A batch came back for what is in it or for its size, which says nothing of its load."""
        self.tuner.ended(attempt.start.epoch)

    def answered(
        self, attempt: EndedAttempt, *, size: int, complaint: str | None, has_answers: bool
    ) -> bool:
        """The sink works; return whether it had failed before and has recovered now.

        ``complaint``: what it said of documents that it could not take now.
        """
        start, tuner = attempt.start, self.tuner
        tuner.ended(start.epoch)
        if complaint is not None:
            self._complained(attempt, complaint)
            return has_answers and self.backoff.succeeded()
        was_held = self.aimd.limit is not None
        self.aimd.note_success(start.round, tuner.leader.concurrency)
        if was_held:
            tuner.pause()
        else:
            slow = tuner.answered(
                start.epoch,
                attempt.ended,
                size=size,
                seconds=attempt.ended - start.at,
                is_pressed=start.is_full and attempt.is_crowded,
            )
            if slow is not None:
                self.last_complaint = slow
                self.aimd.halve(self.aimd.round, tuner.leader.concurrency)
        return has_answers and self.backoff.succeeded()

    def status(self) -> dict[str, object]:
        """Return the row of ``/status``."""
        tuner = self.tuner
        measured = tuner.measured
        holds, leader = tuner.limits, tuner.leader
        return {
            "is_fixed": tuner.is_fixed,
            "found": {
                "concurrency": leader.concurrency,
                "max_documents": leader.documents,
                "max_bytes": leader.size,
            },
            "why": tuner.why,
            "trying": None if holds == leader else str(holds),
            "held_back_to": self.aimd.limit,
            "last_complaint": self.last_complaint,
            "bytes_per_second": None if measured is None else round(measured.bytes_per_second),
            "write_seconds": None if measured is None else round(measured.write_seconds, 4),
            "baseline_write_seconds": None
            if tuner.baseline_seconds is None
            else round(tuner.baseline_seconds, 4),
            "changes": tuner.changes,
        }

    def _complained(self, attempt: EndedAttempt, what: str) -> None:
        self.last_complaint = what
        start, held = attempt.start, self.concurrency
        if self.tuner.is_fixed or self.tuner.refused(start.epoch, attempt.ended, what):
            return
        is_in_vain = self.aimd.halve(start.round, self.tuner.leader.concurrency)
        # Small batches do not fail because too many are in flight.
        if is_in_vain and start.is_full:
            self.tuner.give_way(held - 1, attempt.ended, what)


def limiter_of(settings: LaneSettings) -> RateLimiter:
    """Return the limiter of a lane with these settings, which are its upper limits."""
    tuner = Tuner(
        concurrency=settings.concurrency,
        documents=settings.batch.max_documents,
        max_bytes=settings.batch.max_bytes,
        is_fixed=settings.tuning == "fixed",
    )
    retry = settings.retry
    return RateLimiter(
        initial_seconds=retry.initial_seconds, max_seconds=retry.max_seconds, tuner=tuner
    )


def complaint_of(result: WriteResult) -> str | None:
    """Return what an answer complains of in a few words; None where all was decided."""
    if result.trouble is not None:
        return result.trouble
    if result.retry_after_seconds is not None:
        return f"come back in {result.retry_after_seconds:g} s"
    if result.doubtful:
        return f"{len(result.doubtful)} documents in doubt"
    return f"{len(result.busy)} documents busy" if result.busy else None

"""Which batch of a lane is written next, and when to look again.

    a data stream's probe       first: rare and small
    retried or new documents    in turns, while a slot is free
    a suspect                   in a spare slot, one document or part at a time

New documents of a data stream whose breaker is closed to them are held there, or refused; what
is refused is handed out by ``take_refused``. Decides only: time is an argument.
"""

from __future__ import annotations

import math

from ptingest.delivery.attempts import Attempts
from ptingest.delivery.batch import Batch
from ptingest.delivery.intake import Intake
from ptingest.delivery.rate.limiter import RateLimiter
from ptingest.delivery.retry_policy import RetryPolicy
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.outcome import Refusal

SPARE_SLOTS = 2
"""Attempts beside those that the rate limiter allows: suspects, and one for each that is silent."""


class Schedule:
    """Chooses among the waiting documents of one lane."""

    def __init__(
        self,
        *,
        intake: Intake,
        retries: RetryPolicy,
        streams: StreamBreakers,
        limiter: RateLimiter,
        attempts: Attempts,
        most_slots: int,
    ) -> None:
        self._intake, self._streams = intake, streams
        self._again, self._suspects = retries.again, retries.suspects
        self._limiter, self._attempts = limiter, attempts
        self._most_slots = most_slots + SPARE_SLOTS
        self._prefers_new = False
        self._refused: list[Refusal] = []

    def next(self, now: float) -> Batch | None:
        """Return the batch to be written now; None where there is none, or no slot for it."""
        if now < self._limiter.backoff.until:
            return None
        batch = self._next_batch(now) if self._has_slot(now) else None
        return batch or self._next_suspect(now)

    def expire(self, now: float) -> None:
        """Refuse what was held for its data stream for long enough."""
        if self._streams:
            self._refused += self._streams.expire(now)

    def take_refused(self) -> list[Refusal]:
        """Return what is for the dead letters since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def next_time(self, now: float) -> float:
        """Return when to look again if nothing happens before."""
        backoff = self._limiter.backoff.until
        due = [self._suspects.next_due] if self._has_slot_for_suspect else []
        if self._has_slot(now):
            # Without a free slot the end of an attempt wakes the lane, or one that is silent
            # for too long.
            due += [*self._intake.due_at(), self._again.next_due, self._streams.next_probe_at]
        times = [max(time, backoff) for time in due if time is not None]
        times += self._attempts.next_silent(now)
        if (expiry := self._streams.next_expiry) is not None:
            times.append(expiry)
        return min(times, default=math.inf)

    def _has_slot(self, now: float) -> bool:
        """Whether one more may be in flight; a write that is silent does not keep its slot."""
        in_flight, limit = len(self._attempts.in_flight), self._limiter.concurrency
        if in_flight < limit:
            return True
        counted = in_flight - self._attempts.suspects - self._attempts.silent(now)
        return counted < limit and in_flight < self._most_slots

    @property
    def _has_slot_for_suspect(self) -> bool:
        return self._attempts.suspects < SPARE_SLOTS

    def _next_batch(self, now: float) -> Batch | None:
        probe = self._streams.next_probe(now) if self._streams else None
        if probe is not None:
            return probe
        if self._prefers_new:
            batch = self._next_new(now) or self._next_again(now)
        else:
            batch = self._next_again(now) or self._next_new(now)
        self._prefers_new = batch is not None and batch.tries > 0
        return batch

    def _next_again(self, now: float) -> Batch | None:
        new = self._intake.batcher
        return self._again.take(now, max_documents=new.max_documents, max_bytes=new.max_bytes)

    def _next_new(self, now: float) -> Batch | None:
        while (batch := self._intake.take(now)) is not None:
            if self._streams:
                self._refused += self._streams.divert(batch, now)
                self._refused += self._streams.expire(now)
            if batch.documents:
                return batch
        return None

    def _next_suspect(self, now: float) -> Batch | None:
        if not (self._suspects and self._has_slot_for_suspect):
            return None
        return self._suspects.take(now, max_documents=1, max_bytes=0)

"""What happens to documents that a write did not settle: when they are sent again, and how.

    refused for its size, or for one document in it   in halves, at once
    no answer                                         ``isolation``: whole, or in parts, each alone
    written and not safe yet                          soon, then later: to ask, nobody is at fault
    busy while others are taken                       soon, with others that are due
    busy, nothing taken                               after a backoff
    failing while others are taken                    after a longer backoff each time
    tried for long enough while others are taken      the dead letters (``failing_documents``)

Decides and queues; never waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from ptingest.delivery.batch import Batch, Batcher, batch_of, body_bytes, halves
from ptingest.delivery.failing_documents import FailingDocuments
from ptingest.delivery.isolation import Isolation
from ptingest.delivery.outcomes import Outcomes
from ptingest.delivery.rate.limiter import EndedAttempt, RateLimiter, complaint_of
from ptingest.delivery.retry import RetryQueue
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal, WriteResult

log = logging.getLogger(__name__)

FEW_DOCUMENTS = 16
"""With so few documents unanswered, a successful health check counts as an answer to others."""
ASK_AGAIN_SECONDS, LONGEST_ASK_AGAIN_SECONDS = 0.5, 4.0
"""After which it is asked whether a written document is safe, each time so much later: a sink
that is behind for long has better things to do."""


class RetryPolicy:
    """Retries of one lane."""

    def __init__(
        self,
        sink: str,
        *,
        fresh: Batcher,
        limiter: RateLimiter,
        streams: StreamBreakers,
        isolation: Isolation,
        patience_seconds: float,
        chance: Callable[[], float],
    ) -> None:
        self._sink, self._fresh, self._limiter = sink, fresh, limiter
        self._streams, self._chance = streams, chance
        self.again, self.suspects = RetryQueue(), RetryQueue()
        self._isolation, self.failing = isolation, FailingDocuments(patience_seconds)

    def hasten(self, *, everything: bool = False) -> None:
        """Make due at once what waited because of the sink, or everything."""
        self.again.hasten(everything=everything)
        self.suspects.hasten(everything=everything)

    @property
    def unanswered(self) -> int:
        """Documents waiting whose last attempt got no answer."""
        return self.again.unanswered + self.suspects.unanswered

    def note_healthy(self, asked_at: float) -> None:
        """A health check begun then found that the sink takes documents."""
        self._isolation.note_healthy(asked_at)
        if self.unanswered <= FEW_DOCUMENTS:
            self.failing.note_answer(taken=1, returned=0)

    def plan(
        self, batch: Batch, result: WriteResult, outcomes: Outcomes, attempt: EndedAttempt
    ) -> str | None:
        """Queue what is sent again; add what is for the dead letters to ``outcomes.refused``.

        Returns why the sink as a whole takes nothing; None where it takes some, or answers
        others.
        """
        if result.too_large or result.unreadable:
            self._limiter.ended(attempt)
            self._halve(batch, result, outcomes, attempt.ended)
            return None
        is_whole = result.trouble is not None or len(outcomes.doubtful) == len(outcomes.again)
        if outcomes.again and not outcomes.has_answers and is_whole and batch.probes is None:
            return self._unanswered(batch, result, outcomes, attempt)
        self._answered(batch, outcomes, attempt)
        trouble = None if outcomes.taken or outcomes.unsynced else result.trouble
        waits_for_sink = self._learn(batch, result, outcomes, attempt, trouble)
        if batch.probes is not None:
            held = self._streams.note_probe(batch, outcomes, attempt.ended, self._chance())
            if held is not None:
                self.again.add(held)
        self._try_again(batch, result, outcomes, attempt, waits_for_sink=waits_for_sink)
        self._try_failing(batch, outcomes, attempt.ended)
        if outcomes.unsynced:
            self._ask_again(batch, outcomes, attempt.ended)
        return trouble

    # --- an answer ----------------------------------------------------------------------

    def _answered(self, batch: Batch, outcomes: Outcomes, attempt: EndedAttempt) -> None:
        if outcomes.has_answers:
            self._fresh.note_taken(batch.size)
            too_large = self._isolation.answered(
                batch,
                attempt.start.at,
                attempt.ended,
                was_stored=bool(outcomes.already_stored or outcomes.unsynced),
            )
            if too_large is not None:
                self._shrink(
                    too_large,
                    f"never answered a batch of {too_large} bytes and answers all its parts: "
                    "something between may limit bodies (a proxy, a firewall)",
                )
        self.failing.note_answer(taken=outcomes.taken, returned=len(outcomes.again))
        if self.failing:
            gone = set(batch.documents).difference(outcomes.again)
            gone.difference_update(refusal.document for refusal in outcomes.failing)
            self.failing.forget(gone)

    def _learn(
        self,
        batch: Batch,
        result: WriteResult,
        outcomes: Outcomes,
        attempt: EndedAttempt,
        trouble: str | None,
    ) -> bool:
        """Adapt the rate limiter to an answer; return whether the sink needs time."""
        is_the_sinks = (
            trouble is not None
            or result.retry_after_seconds is not None
            # Documents that are busy again and again while others are taken wait by themselves:
            # a lane that paused for them would stop the others.
            or (not outcomes.has_answers and batch.is_fresh)
        )
        complaint = complaint_of(result)
        if is_the_sinks:
            retry_after = result.retry_after_seconds
            self._limiter.overloaded(attempt, self._chance(), retry_after, complaint or "no answer")
        elif self._limiter.answered(
            attempt, size=batch.size, complaint=complaint, has_answers=outcomes.has_answers
        ):
            self.hasten()
        return is_the_sinks

    def _try_again(
        self,
        batch: Batch,
        result: WriteResult,
        outcomes: Outcomes,
        attempt: EndedAttempt,
        *,
        waits_for_sink: bool,
    ) -> None:
        now = attempt.ended
        because = result.busy_because or result.trouble or "it asked to come back"
        detail = f"{self._sink} takes others and never this one: {because}"
        going = outcomes.again
        if not waits_for_sink:
            never = (Refusal(document, "never_taken", detail) for document in going)
            going = self._patient(outcomes, never, now, is_busy=True)
        if not going:
            return
        again = batch_of(going, batch.since)
        # What is busy while others are taken is sent again soon: the rate limiter slows down,
        # and a backoff of its own would delay its whole window.
        again.tries = 1 if outcomes.taken else batch.tries + 1
        again.waits_for_sink = waits_for_sink
        own = now + self._limiter.backoff.seconds(again.tries, self._chance())
        again.due = self._limiter.backoff.until if waits_for_sink else own
        self.again.add(again)

    def _try_failing(self, batch: Batch, outcomes: Outcomes, now: float) -> None:
        if outcomes.failing and not self.failing:
            log.warning(
                "%s: documents fail that are not refused for good (%s); they are tried for %g s "
                "while others pass, then go to the dead letters",
                self._sink,
                outcomes.failing[0].detail,
                self.failing.seconds,
            )
        going = self._patient(outcomes, outcomes.failing, now)
        if going:
            again = batch_of(going, batch.since)
            again.tries = max(map(self.failing.failures, going))
            again.due = self._due(again, now)
            self.again.add(again)

    def _patient(
        self,
        outcomes: Outcomes,
        refusals: Iterable[Refusal],
        now: float,
        *,
        is_busy: bool = False,
    ) -> list[Document]:
        """Refuse those that were tried for long enough while others passed; return the rest."""
        going = []
        for refusal in refusals:
            if self.failing.is_over(refusal.document, now, is_busy=is_busy):
                outcomes.refused.append(refusal)
            else:
                going.append(refusal.document)
        return going

    def _ask_again(self, batch: Batch, outcomes: Outcomes, now: float) -> None:
        unsynced = batch_of(list(outcomes.unsynced), batch.since)
        unsynced.tries, unsynced.unsynced = 1, batch.unsynced + 1
        seconds = min(unsynced.unsynced * ASK_AGAIN_SECONDS, LONGEST_ASK_AGAIN_SECONDS)
        unsynced.due = now + seconds
        self.again.add(unsynced)

    # --- no answer ------------------------------------------------------------------------

    def _unanswered(
        self, batch: Batch, result: WriteResult, outcomes: Outcomes, attempt: EndedAttempt
    ) -> str | None:
        now = attempt.ended
        trouble = result.trouble or f"{self._sink} gave no answer"
        batch.documents, batch.size = outcomes.again, body_bytes(outcomes.again)
        found = self._isolation.unanswered(batch, attempt.start.at, now)
        if found.is_its_own:
            self._limiter.ended(attempt)
        else:
            self._limiter.overloaded(attempt, self._chance(), result.retry_after_seconds, trouble)
        if len(batch.documents) == 1:
            detail = (
                f"{self._sink} answers others and never this one, which went alone: {trouble}; "
                "known causes with Elasticsearch's failure store: a name twice in one object, a "
                "number of over 1,000 digits, over 1,000 levels, bytes that are not UTF-8"
            )
            alone = Refusal(batch.documents[0], "unanswered", detail)
            if not self._patient(outcomes, [alone], now):
                return None
        for one in found.again:
            one.is_alone = one.is_alone or found.is_its_own
            self._wait(one, now, waits_for_sink=not found.is_its_own)
        self.again.add_all(found.again)
        for one in found.suspects:
            if one is batch:
                self._wait(one, now, waits_for_sink=not found.is_its_own)
        self.suspects.add_all(found.suspects)
        return None if found.is_its_own else trouble

    def _wait(self, batch: Batch, now: float, *, waits_for_sink: bool) -> None:
        batch.tries += 1
        batch.waits_for_sink = waits_for_sink
        own = self._due(batch, now)
        batch.due = max(own, self._limiter.backoff.until) if waits_for_sink else own

    def _due(self, batch: Batch, now: float) -> float:
        """After a backoff, but not after the time when failing with it is over."""
        seconds = self._limiter.backoff.seconds(batch.tries, self._chance())
        left = min(self.failing.seconds_left(one, now) for one in batch.documents)
        return now + (min(seconds, left) if left > 0 else seconds)

    # --- refused as a whole -----------------------------------------------------------------

    def _halve(self, batch: Batch, result: WriteResult, outcomes: Outcomes, now: float) -> None:
        """Halve a batch refused as a whole; one document alone is refused for good."""
        going, outcomes.again = outcomes.again, []
        if len(batch.documents) == 1 and going:
            detail = result.busy_because
            if result.too_large:
                detail = (
                    f"413: a body of {batch.size} bytes is more than {self._sink} takes "
                    "(http.max_content_length, or a limit of the proxy before it)"
                )
            outcomes.refused = [
                Refusal(going[0], "too_large" if result.too_large else "unreadable", detail)
            ]
            going = []
        if batch.probes is not None:
            self._streams.probe_too_large(batch.probes, going, now)
        elif going:
            if result.too_large:
                self._shrink(
                    batch.size, f"refused a batch of {batch.size} bytes for its size (413)"
                )
            batch.documents, batch.size = going, body_bytes(going)
            self.again.add_all(halves(batch))

    def _shrink(self, size: int, said: str) -> None:
        before = self._fresh.max_bytes
        self._fresh.shrink(size)
        if self._fresh.max_bytes < before:
            log.warning(
                "%s %s; batches are at most %d bytes from now on; set sinks.%s.batch.max_bytes "
                "to that to begin with it",
                self._sink,
                said,
                self._fresh.max_bytes,
                self._sink,
            )

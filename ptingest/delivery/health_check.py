"""Checks one lane's sink while nothing is written to it, or while writes get no answer.

A check takes a bounded time, and raises nothing; its result is a sentence or None. What a write
showed meanwhile takes precedence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from ptingest.model.contracts import Clock
from ptingest.model.finding import Finding

HEALTHY_SECONDS = 60.0
"""Time between checks of an idle sink that was healthy."""
UNHEALTHY_SECONDS = 5.0
"""Time between checks of one that was not: readiness returns no sooner than this."""


def is_due(now: float, *, heard_at: float | None, is_idle: bool, is_troubled: bool) -> bool:
    """Whether a check is due; times are monotonic seconds.

    ``heard_at``: when a write or a check last ended; None before the first.
    """
    if not is_idle:
        return False
    if heard_at is None:
        return True
    return now - heard_at >= (UNHEALTHY_SECONDS if is_troubled else HEALTHY_SECONDS)


def trouble_after(findings: Sequence[Finding], before: str | None) -> str | None:
    """Return why nothing can be written by these findings; ``before``: why it could not before.

    Findings that do not stop everything say nothing about the sink as a whole: a trouble that a
    write met stays until a write, or a check without any problem, shows that it is over.
    """
    for finding in findings:
        if not finding.is_ok and finding.stops_all:
            return f"{finding.found}; {finding.cure}" if finding.cure else finding.found
    return None if all(finding.is_ok for finding in findings) else before


log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
CHECK_SECONDS = 10.0
"""The longest that one check may take."""


class HealthRecord(Protocol):
    """What a check reads and changes: a ``SinkHealth``."""

    name: str
    trouble: str | None
    written_at: float | None

    @property
    def outstanding(self) -> int: ...
    @property
    def has_unanswered(self) -> bool: ...
    def note_healthy(self, asked_at: float) -> None: ...
    def note_trouble(self, trouble: str | None) -> None: ...


class CheckedSink(Protocol):
    """The part of a ``Sink`` that is needed here."""

    async def check(self) -> Sequence[Finding]: ...


class HealthCheck:
    """Runs as ``run()`` beside its lane, until cancelled."""

    def __init__(self, sink: CheckedSink, lane: HealthRecord, *, clock: Clock) -> None:
        self._sink, self._lane, self._clock = sink, lane, clock
        self._asked_at: float | None = None
        self._is_bug_reported = False

    async def run(self) -> None:
        """Check when it is due, looking every second."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Check the sink if that is due."""
        lane, has_unanswered = self._lane, self._lane.has_unanswered
        # Writes without an answer say nothing about the sink.
        times = (self._asked_at,) if has_unanswered else (lane.written_at, self._asked_at)
        if is_due(
            self._clock.monotonic(),
            heard_at=max((at for at in times if at is not None), default=None),
            is_idle=lane.outstanding == 0 or has_unanswered,
            is_troubled=lane.trouble is not None or has_unanswered,
        ):
            await self._ask()

    async def _ask(self) -> None:
        lane, written_at, began = self._lane, self._lane.written_at, self._clock.monotonic()
        # What a write met stays until writes are answered; here only this answer counts.
        before = None if lane.has_unanswered else lane.trouble
        trouble = await self._trouble_found(before)
        self._asked_at = self._clock.monotonic()
        if trouble is None and lane.has_unanswered:
            lane.note_healthy(began)
        if lane.written_at == written_at and not lane.outstanding:
            lane.note_trouble(trouble)

    async def _trouble_found(self, before: str | None) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return trouble_after(await self._sink.check(), before)
        except TimeoutError:
            return f"the health check got no answer within {CHECK_SECONDS:g} s"
        except OSError as error:  # no file descriptor left, as a rule
            return f"cannot be asked whether it would take documents: {error}"
        except Exception:  # a bug of one sink's check must not end the lane's task
            if not self._is_bug_reported:
                self._is_bug_reported = True
                log.exception("%s: a check raised an unexpected exception (a bug)", self._lane.name)
            return before

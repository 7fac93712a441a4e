"""Measures how long the event loop was blocked: all keepalives may be late by that time.

A timer that is due every ``TICK_SECONDS`` is late by the time that the loop was busy. A pause
that begins just after a tick is measured up to one tick too short, so ticks are short; one
costs some 70 microseconds, most of them for waking up. A loop that did next to nothing for
``REST_SECONDS`` has a long tick, so that a server that does nothing costs nothing: the first
pause after such a rest may be measured too short.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable

from ptingest.model.contracts import Clock
from ptingest.telemetry.metrics import Metrics

TICK_SECONDS = 0.01
LONG_TICK_SECONDS = 0.5
REST_SECONDS = 10.0
BUSY_SHARE = 0.02
"""Of one core, from which on the loop is at work; the ticks themselves take less."""
LATE_SECONDS = 0.05
"""A tick that is later shows that the loop is at work, or waits for a slow disk."""
BUCKET_SECONDS = 1.0
BUCKETS = 10
"""The metric shows the longest pause of about the last ten seconds."""


def freeze_startup_objects() -> None:
    """Exempt all objects that exist after the start from garbage collection, once.

    They are about 60,000 and live until the end; a full collection of them blocks the loop for
    20 to 40 ms.
    """
    gc.freeze()


class LoopLag:
    """Measures the loop it is started on and publishes its longest recent pause."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        *,
        cpu_seconds: Callable[[], float] = time.thread_time,
    ) -> None:
        self._metrics, self._clock, self._cpu_seconds = metrics, clock, cpu_seconds
        self._worst = self._bucket_began = 0.0
        self._buckets: deque[float] = deque(maxlen=BUCKETS - 1)
        self._ticked = self._worked = self._looked_at = self._used_cpu = 0.0
        self._timer: asyncio.TimerHandle | None = None
        metrics.before_scrape(self._show)

    @property
    def longest(self) -> float:
        """Seconds of the longest recent pause."""
        return max(self._worst, *self._buckets, 0.0)

    def start(self) -> None:
        """Start on the running loop."""
        now = self._clock.monotonic()
        self._ticked = self._worked = self._looked_at = self._bucket_began = now
        self._used_cpu = self._cpu_seconds()
        self._wait(TICK_SECONDS)

    def stop(self) -> None:
        """Stop; the measurements stay."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._tick, seconds)

    def _tick(self, waited: float) -> None:
        now = self._clock.monotonic()
        self._wait(self.note(now, now - self._ticked - waited))

    def note(self, now: float, late_seconds: float) -> float:
        """Record how late one tick was; return the seconds to the next."""
        self._ticked = now
        if late_seconds > LATE_SECONDS or self._has_worked(now):
            self._worked = now
        self._worst = max(self._worst, late_seconds)
        if now - self._bucket_began >= BUCKET_SECONDS:
            self._buckets.append(self._worst)
            self._worst, self._bucket_began = 0.0, now
            self._show()
        return LONG_TICK_SECONDS if now - self._worked > REST_SECONDS else TICK_SECONDS

    def _has_worked(self, now: float) -> bool:
        """Whether the loop took more than a trifle since this was last looked at."""
        seconds = now - self._looked_at
        if seconds < LONG_TICK_SECONDS:
            return False
        used, self._used_cpu = self._used_cpu, self._cpu_seconds()
        self._looked_at = now
        return self._used_cpu - used > BUSY_SHARE * seconds

    def _show(self) -> None:
        self._metrics.set("ptingest_worker_loop_lag_seconds", self.longest)

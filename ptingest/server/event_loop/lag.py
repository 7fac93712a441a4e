"""Measures how long the event loop was blocked: all keepalives may be late by that time.

A timer that is due every ``TICK_SECONDS`` is late by the time that the loop was busy. A pause
that begins just after a tick is measured up to one tick too short, so ticks are short; one
costs a few microseconds.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque

from ptingest.model.contracts import Clock
from ptingest.telemetry.metrics import Metrics

TICK_SECONDS = 0.01
TICKS_A_BUCKET = 100
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

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._worst = 0.0
        self._ticks = 0
        self._buckets: deque[float] = deque(maxlen=BUCKETS - 1)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        metrics.before_scrape(self._show)

    @property
    def longest(self) -> float:
        """Seconds of the longest recent pause."""
        return max(self._worst, *self._buckets, 0.0)

    def start(self) -> None:
        """Start on the running loop."""
        self._due = self._clock.monotonic() + TICK_SECONDS
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def stop(self) -> None:
        """Stop; the measurements stay."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.note(self._clock.monotonic() - self._due)
        self.start()

    def note(self, late_seconds: float) -> None:
        """Record how late one tick was."""
        self._worst = max(self._worst, late_seconds)
        self._ticks += 1
        if self._ticks == TICKS_A_BUCKET:
            self._buckets.append(self._worst)
            self._worst, self._ticks = 0.0, 0
            self._show()

    def _show(self) -> None:
        self._metrics.set("ptingest_worker_loop_lag_seconds", self.longest)

"""How long the event loop stood still: keepalives of all Beats wait no longer than that.

A timer that is due every ``TICK_SECONDS`` comes late by what the loop was busy with. A pause
that begins just after a tick is seen short by at most one tick, so ticks are short; one costs
a few microseconds.
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
"""The longest pause of about the last ten seconds is shown."""


def keep_what_start_made() -> None:
    """Take all objects there are out of the garbage collector's rounds, once, after the start.

    They are some 60,000 and stay until the end; a full round through them stops the loop for
    20 to 40 ms.
    """
    gc.freeze()


class LoopLag:
    """Watches the loop it is started on and shows its longest pause lately."""

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
        """Seconds of the longest pause lately."""
        return max(self._worst, *self._buckets, 0.0)

    def start(self) -> None:
        """Begin on the running loop."""
        self._due = self._clock.monotonic() + TICK_SECONDS
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def stop(self) -> None:
        """Stand still; what was seen stays."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.note(self._clock.monotonic() - self._due)
        self.start()

    def note(self, late_seconds: float) -> None:
        """Take one tick's lateness into account."""
        self._worst = max(self._worst, late_seconds)
        self._ticks += 1
        if self._ticks == TICKS_A_BUCKET:
            self._buckets.append(self._worst)
            self._worst, self._ticks = 0.0, 0
            self._show()

    def _show(self) -> None:
        self._metrics.set("ptingest_worker_loop_lag_seconds", self.longest)

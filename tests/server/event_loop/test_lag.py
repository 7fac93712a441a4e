from __future__ import annotations

import asyncio
import gc
import time

import pytest

from ptingest.server.event_loop.lag import (
    BUCKET_SECONDS,
    BUCKETS,
    LONG_TICK_SECONDS,
    REST_SECONDS,
    TICK_SECONDS,
    LoopLag,
    freeze_startup_objects,
)
from ptingest.server.process.clock import SystemClock
from ptingest.telemetry.metrics import Metrics
from tests.support.waiting import until

NAME = "ptingest_worker_loop_lag_seconds"


async def test_a_pause_shorter_than_a_tenth_of_a_second_is_seen_whenever_it_comes() -> None:
    metrics = Metrics()
    lag = LoopLag(metrics, SystemClock())
    lag.start()
    await asyncio.sleep(0)  # no race: the work below may come before or after a tick

    time.sleep(0.06)  # noqa: ASYNC251 - no race: stands in for work that holds the loop
    await until(lambda: lag.longest >= 0.045)
    lag.stop()
    metrics.refresh()

    assert metrics.value(NAME) >= 0.045


class Ticks:
    """Ticks of a loop on a clock of its own, which works as told between them."""

    def __init__(self) -> None:
        self.now = self.cpu = 0.0
        self.metrics = Metrics()
        self.lag = LoopLag(self.metrics, SystemClock(), cpu_seconds=lambda: self.cpu)
        self.seconds = TICK_SECONDS

    def go_on(self, seconds: float, *, late: float = 0.0, share: float = 0.0) -> None:
        """Tick for so long, each tick late, a share of the time computed."""
        end = self.now + seconds
        while self.now < end:
            self.now += self.seconds + late
            self.cpu += (self.seconds + late) * share
            self.seconds = self.lag.note(self.now, late)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_pause_is_shown_for_some_ten_seconds_and_then_forgotten(share: float) -> None:
    ticks = Ticks()
    ticks.go_on(0.01, late=0.3)
    shown = []
    for _ in range(15):
        ticks.go_on(BUCKET_SECONDS, share=share)
        shown.append(ticks.metrics.value(NAME))

    assert shown[: BUCKETS - 2] == [0.3] * (BUCKETS - 2)
    assert shown[-1] == 0.0


def test_a_tick_that_came_too_early_is_no_pause() -> None:
    lag = LoopLag(Metrics(), SystemClock())

    lag.note(1.0, -0.002)

    assert lag.longest == 0.0


def test_a_loop_at_rest_has_a_long_tick_until_it_works_again() -> None:
    ticks = Ticks()
    ticks.go_on(REST_SECONDS - 1, share=0.001)
    before = ticks.seconds
    ticks.go_on(2, share=0.001)
    at_rest = ticks.seconds
    ticks.go_on(1, share=0.1)
    at_work = ticks.seconds
    ticks.go_on(REST_SECONDS + 1)
    at_rest_again = ticks.seconds
    ticks.go_on(0.5, late=0.1)

    assert (before, at_rest) == (TICK_SECONDS, LONG_TICK_SECONDS)
    assert (at_work, at_rest_again) == (TICK_SECONDS, LONG_TICK_SECONDS)
    assert ticks.seconds == TICK_SECONDS


def test_the_collector_does_not_look_again_at_what_start_made() -> None:
    made_at_start: list[object] = [[]]
    try:
        freeze_startup_objects()
        made_later: list[object] = [[]]

        watched = {id(one) for one in gc.get_objects()}
    finally:
        gc.unfreeze()

    assert id(made_later) in watched
    assert id(made_at_start) not in watched

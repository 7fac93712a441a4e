from __future__ import annotations

import asyncio
import gc
import time

from ptingest.server.event_loop.lag import BUCKETS, TICKS_A_BUCKET, LoopLag, freeze_startup_objects
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


def test_a_pause_is_shown_for_some_ten_seconds_and_then_forgotten() -> None:
    metrics = Metrics()
    lag = LoopLag(metrics, SystemClock())

    lag.note(0.3)
    shown = []
    for _ in range(BUCKETS):
        for _ in range(TICKS_A_BUCKET):
            lag.note(0.001)
        shown.append(metrics.value(NAME))

    assert shown[:-1] == [0.3] * (BUCKETS - 1)
    assert shown[-1] == 0.001


def test_a_tick_that_came_too_early_is_no_pause() -> None:
    lag = LoopLag(Metrics(), SystemClock())

    lag.note(-0.002)

    assert lag.longest == 0.0


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

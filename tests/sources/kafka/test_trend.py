"""For how long the lag has grown."""

from __future__ import annotations

import pytest

from ptingest.sources.kafka.trend import LagTrend


@pytest.mark.parametrize(
    ("lags", "growing"),
    [
        pytest.param([5], 0.0, id="one says nothing"),
        pytest.param([5, 6, 9], 120.0, id="each larger than the one before"),
        pytest.param([5, 6, 6], 0.0, id="not larger"),
        pytest.param([5, 9, 8, 9], 60.0, id="it fell in between"),
        pytest.param([0, 0, 0], 0.0, id="none"),
        pytest.param([5, 9, None, 10, 11], 60.0, id="it was not known"),
    ],
)
def test_the_lag_of_each_minute_is_compared(lags: list[int | None], growing: float) -> None:
    trend = LagTrend()

    for minute, lag in enumerate(lags):
        trend.note(60.0 * minute, lag)

    assert trend.growing_seconds == growing


def test_bursts_within_a_minute_are_not_looked_at() -> None:
    trend = LagTrend()

    for second, lag in enumerate(range(59)):
        trend.note(float(second), lag)

    assert trend.growing_seconds == 0.0


def test_other_partitions_begin_again() -> None:
    trend = LagTrend()
    trend.note(0.0, 1)
    trend.note(60.0, 2)

    trend.begin_again()
    trend.note(120.0, 900)

    assert trend.growing_seconds == 0.0

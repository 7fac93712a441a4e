from __future__ import annotations

from collections import Counter

import pytest

from ptingest.sinks.read.histogram import (
    BARS_LEAST,
    BARS_MOST,
    STEPS,
    bars,
    prefix_of,
    second_of,
    steps_for,
)

DAY = "2025-01-02T00:00:00.000Z"


@pytest.mark.parametrize(
    ("last", "finest"),
    [
        pytest.param("2025-01-02T00:00:59.000Z", 1, id="a minute"),
        pytest.param("2025-01-02T00:14:59.000Z", 30, id="a quarter of an hour"),
        pytest.param("2025-01-02T23:59:59.999Z", 1800, id="a day"),
        pytest.param("2025-01-08T23:59:59.999Z", 10_800, id="a week"),
        pytest.param(DAY, 1, id="one moment"),
        pytest.param("9999-12-31T23:59:59.999Z", 365_000 * 86_400, id="all time"),
    ],
)
def test_a_range_is_shown_in_steps_that_people_know(last: str, finest: int) -> None:
    steps = steps_for(DAY, last)

    assert steps[0] == finest
    seconds = second_of(last) - second_of(DAY) + 1
    assert all(seconds / step <= BARS_MOST for step in steps)
    assert len(steps) == 1 or seconds / steps[-1] >= BARS_LEAST


@pytest.mark.parametrize("step", STEPS)
def test_a_step_never_cuts_the_beginning_of_a_time(step: int) -> None:
    beginning = "2025-01-02T03:04:05.678Z"[: prefix_of(step)]

    first = second_of(beginning)
    ends = {10: 86_400, 13: 3600, 15: 600, 16: 60, 18: 10, 19: 1}[prefix_of(step)]

    assert first // step == (first + ends - 1) // step


def test_every_step_of_the_range_has_its_bar_and_stray_ones_too() -> None:
    counts = Counter({("2025-01-02T00:1", "INFO"): 2, ("2025-01-02T09:0", None): 1})

    made = list(bars(counts, 600, DAY, "2025-01-02T00:29:59.999Z"))

    assert [(bar.start, bar.end, bar.levels) for bar in made] == [
        ("2025-01-02T00:00:00.000Z", "2025-01-02T00:09:59.999Z", {}),
        ("2025-01-02T00:10:00.000Z", "2025-01-02T00:19:59.999Z", {"INFO": 2}),
        ("2025-01-02T00:20:00.000Z", "2025-01-02T00:29:59.999Z", {}),
        ("2025-01-02T09:00:00.000Z", "2025-01-02T09:09:59.999Z", {None: 1}),
    ]


def test_steps_beyond_the_years_there_are_end_with_them() -> None:
    counts = Counter({("0001", None): 1, ("9999", None): 1})

    made = list(
        bars(counts, 365_000 * 86_400, "0001-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z")
    )

    assert made[0].start == "0001-01-01T00:00:00.000Z"
    assert made[-1].end == "9999-12-31T23:59:59.999Z"

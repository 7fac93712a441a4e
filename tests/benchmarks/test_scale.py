"""Cost against work."""

from __future__ import annotations

import pytest

from benchmarks import scale


def point(connections: int, rate: int, cpu_seconds: float | None = None) -> scale.Point:
    """A point of a server that costs 0.2 % of a core, 20 us an event, 100 us a window and
    300 us a connection."""
    window, seconds = scale.window_of(rate, connections), 6.0
    events = int(rate * seconds)
    cpu = 0.002 * seconds + 20e-6 * events + 100e-6 * events / window + 300e-6 * connections
    return scale.Point(
        connections, rate, rate, window, events, seconds, cpu_seconds or cpu, 5.0, 9.0, 60.0, 3.0
    )


GRID = [point(connections, rate) for rate in scale.RATES for connections in scale.CONNECTIONS]


def test_the_fit_finds_what_each_thing_costs() -> None:
    found = scale.fit(GRID)

    assert found.idle_share == pytest.approx(0.002)
    assert found.event_us == pytest.approx(20)
    assert found.window_us == pytest.approx(100)
    assert found.opening_us == pytest.approx(300)
    assert found.worst_percent == pytest.approx(0, abs=1e-6)


def test_a_point_that_costs_more_than_its_work_stands_out() -> None:
    odd = GRID[-1]._replace(cpu_seconds=GRID[-1].cpu_seconds * 2)

    assert scale.fit([*GRID[:-1], odd]).worst_percent > 10


@pytest.mark.parametrize(
    ("rate", "connections", "window"),
    [(100, 500, 1), (100, 1, 100), (10_000, 10, 1000), (100_000, 1, 2048), (100_000, 500, 200)],
)
def test_windows_are_what_a_beat_has_after_a_second(
    rate: int, connections: int, window: int
) -> None:
    assert scale.window_of(rate, connections) == window


def test_the_table_has_a_row_for_each_point_and_each_idle_server() -> None:
    told = scale.table([point(10, 1000)], [scale.Idle(500, 0.001, 61.0)]).splitlines()

    assert told[2].startswith("| 10 | 1,000 | 1,000 | 100 | 2.4 % | 23.5 |")
    assert told[3] == "| 500, idle | 0 | 0 | | 0.10 % | | | 61 | |"

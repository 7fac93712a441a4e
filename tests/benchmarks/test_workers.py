"""Two workers against one."""

from __future__ import annotations

import pytest

from benchmarks import workers
from benchmarks.core_share import Throttled
from benchmarks.replay import Moment, Replayed, prepare


def measured(rate: float, cpu: float) -> workers.Measured:
    return workers.Measured(rate, cpu, 0.1, 0.2, 4.0, 0.98, 0.9, 800.0)


FOUND = {
    "one": [measured(10_000, 40), measured(20_000, 20)],
    "two": [measured(20_000, 42), measured(38_000, 22)],
}


def test_two_are_compared_with_the_one_of_the_same_turn() -> None:
    rates = workers.ratios(FOUND, "events_per_second", "two")
    costs = workers.ratios(FOUND, "cpu_us", "two")

    assert (rates.best, rates.worst) == pytest.approx((1.9, 2.0))
    assert (costs.best, costs.worst) == pytest.approx((1.05, 1.1))


def test_the_table_has_a_row_for_each_leg() -> None:
    told = workers.table(FOUND).splitlines()

    assert len(told) == 4
    assert told[3].startswith("| two | 29,000 | 32.0 | 0.10 | 0.2, 4.0 | 98%, 90% | 800 | 1.95 ")


def test_figures_are_those_between_the_two_moments() -> None:
    begin = Moment(10.0, 1_000, workers.Look(1.0, 5.0, 0.5, 2.0, [Throttled(10, 0)] * 2))
    end = Moment(15.0, 101_000, workers.Look(1.1, 9.0, 0.6, 2.4, [Throttled(110, 90)] * 2))

    figures = workers._measured(Replayed(begin, end, 110_000), 0.4, 800.0)

    assert figures == pytest.approx((20_000, 41, 1, 1, 4, 1.0, 0.9, 800))


def test_without_shares_there_is_nothing_to_use_up() -> None:
    begin = Moment(10.0, 1_000, workers.Look(1.0, 5.0, 0.5, 2.0, []))
    end = Moment(15.0, 101_000, workers.Look(1.1, 9.0, 0.6, 2.4, []))

    record = workers.record_of(
        {"one": [workers._measured(Replayed(begin, end, 8), None, 800.0)]}, None, prepare(8, 1)
    )

    assert record["share"] is None
    assert isinstance(record["one"], dict)
    assert "used" not in record["one"]
    assert record["one"]["cpu_us"]["median"] == 41


@pytest.mark.timeout(60)
def test_a_leg_measures_servers_that_store_everything() -> None:
    windows = prepare(40 * 64, 1, batch=64)

    figures = workers.run_leg(workers.LEGS[1], windows, None)

    assert figures.events_per_second > 0
    assert figures.cpu_us > figures.supervisor_us >= 0
    assert figures.documents_a_bulk >= 1


def test_what_the_clock_brings_is_no_cost_of_an_event() -> None:
    counted = workers.Counted(2, 1_024, everything=110_000, by_time=8_000, documents_a_bulk=700)

    assert counted.for_events == 102_000

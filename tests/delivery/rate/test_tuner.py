"""Limits find themselves, below the settings, on any sink, and stay where they are best."""

from __future__ import annotations

import math
from random import Random

import pytest

from ptingest.delivery.rate.tuner import LONGEST_WRITE_SECONDS, Limits, Tuner, counts_up_to
from tests.delivery.simulated_sink import MIB, Model, Road

QUICK = Model(fixed_seconds=0.01, seconds_per_mib=0.02, workers=4, queue=50, trip_seconds=0.002)


def tuner(*, concurrency: int = 16, is_fixed: bool = False) -> Tuner:
    return Tuner(concurrency=concurrency, documents=10_000, max_bytes=10 * MIB, is_fixed=is_fixed)


def any_model(chance: Random) -> Model:
    def between(low: float, high: float) -> float:
        return math.exp(chance.uniform(math.log(low), math.log(high)))

    return Model(
        fixed_seconds=between(0.002, 0.1),
        seconds_per_mib=between(0.004, 0.4),
        workers=chance.choice([1, 2, 2, 4, 8, 12]),
        queue=chance.choice([4, 16, 50, 200]),
        trip_seconds=between(0.0005, 0.05),
        jitter=chance.uniform(0, 0.3),
        weather=chance.uniform(0, 0.12),
        heavy_mib=chance.choice([math.inf, math.inf, 8.0, 20.0]),
    )


def best_by_hand(road: Road) -> float:
    """Bytes a second of the best point of the whole grid."""
    sizes = [10 * MIB // 2**halvings for halvings in range(7)]
    return max(
        road.throughput(Limits(slots, 10_000 * size // (10 * MIB), size))
        for slots in counts_up_to(16)
        for size in sizes
    )


@pytest.mark.parametrize("seed", range(60))
def test_on_any_service_a_minute_brings_85_percent_of_the_best_by_hand(seed: int) -> None:
    road = Road(any_model(Random(seed)), tuner(), seed=seed)

    road.run(60)

    assert road.throughput(road.pace.tuner.leader) >= 0.85 * best_by_hand(road)


def test_what_it_settles_on_it_keeps_on_a_noisy_machine() -> None:
    changes = []
    for seed in range(12):
        road = Road(any_model(Random(1000 + seed)), tuner(), seed=seed)
        road.run(60)
        before = road.pace.tuner.changes
        road.run(360)
        changes.append(road.pace.tuner.changes - before)

    assert sum(changes) / len(changes) <= 4  # in five minutes
    assert max(changes) <= 12


def test_trying_costs_little() -> None:
    road = Road(QUICK, tuner(), seed=1)
    road.run(60)

    rate = road.run(360) / 300

    assert rate >= 0.9 * best_by_hand(road)


def test_where_more_in_flight_brings_nothing_fewer_are_and_writes_are_short() -> None:
    one_worker = Model(fixed_seconds=0.001, seconds_per_mib=0.05, workers=1, queue=200)
    road = Road(one_worker, tuner(), seed=1)

    road.run(120)

    leader = road.pace.tuner.leader
    assert leader.concurrency <= 2
    assert leader.size <= 1.25 * MIB
    assert "times the bytes a second of" in road.pace.tuner.why


def test_a_sink_that_says_429_is_asked_for_too_much_rarely_and_soon_not_at_all() -> None:
    small = Model(fixed_seconds=0.05, seconds_per_mib=0.02, workers=2, queue=1)
    road = Road(small, tuner(), seed=1)

    road.run(60)
    early = road.complaints
    road.run(660)

    assert early <= 20
    assert road.complaints - early <= 20  # in ten minutes
    assert road.pace.tuner.leader.concurrency <= 3


def test_after_an_outage_it_goes_on_as_before_within_seconds() -> None:
    road = Road(QUICK, tuner(), seed=1)
    road.run(60)
    usual = road.run(90) / 30

    road.is_down = True
    road.run(150)
    lowest = road.pace.concurrency
    road.is_down = False
    road.run(165)  # the longest backoff is 10 s
    after = road.run(175) / 10

    assert lowest == 1
    assert after >= 0.85 * usual


def test_a_sink_that_becomes_another_is_learnt_anew() -> None:
    road = Road(QUICK, tuner(), seed=1)
    road.run(60)

    road.become(Model(fixed_seconds=0.08, seconds_per_mib=0.04, workers=12, queue=50))
    road.run(150)

    assert road.throughput(road.pace.tuner.leader) >= 0.85 * best_by_hand(road)


def test_no_write_is_made_longer_than_a_window_should_wait() -> None:
    slow = Model(fixed_seconds=2.0, seconds_per_mib=0.5, workers=1, queue=200)
    road = Road(slow, tuner(), seed=1)
    began_with = max(road.pace.tuner.leader.concurrency * slow.service_seconds(5 << 18), 3.0)

    road.run(600)

    assert LONGEST_WRITE_SECONDS <= 3
    assert max(road.latencies) <= began_with + 0.1


def test_without_a_full_load_nothing_is_tried() -> None:
    road = Road(QUICK, tuner(), seed=1)
    began_with = road.pace.tuner.leader

    road.run(120, load=0.5)

    assert road.pace.tuner.leader == began_with
    assert road.pace.tuner.limits == began_with
    assert "no full load" in road.pace.tuner.why


def test_fixed_limits_stay_whatever_happens() -> None:
    road = Road(Model(0.05, 0.02, workers=2, queue=4), tuner(is_fixed=True), seed=1)

    road.run(30)

    assert road.complaints > 0
    assert road.pace.concurrency == 16
    assert road.pace.tuner.limits == Limits(16, 10_000, 10 * MIB)


def test_a_size_that_was_refused_is_not_tried() -> None:
    only_size_pays = Model(fixed_seconds=0.05, seconds_per_mib=0.001, workers=1, queue=50)
    road = Road(only_size_pays, tuner(), seed=1)
    road.pace.tuner.ceiling_bytes = 2 * MIB

    road.run(120)

    assert road.pace.tuner.leader.size == 10 * MIB // 4  # the first rung that reaches it


def test_writes_that_blow_up_ask_for_fewer_in_flight() -> None:
    road = Road(QUICK, tuner(), seed=1)
    road.run(60)

    road.become(Model(fixed_seconds=2.0, seconds_per_mib=0.5, workers=4, queue=50))
    road.run(90)

    assert road.pace.last_complaint is not None
    assert "writes took" in road.pace.last_complaint


@pytest.mark.parametrize(
    ("maximum", "ladder"),
    [(1, [1]), (2, [1, 2]), (5, [1, 2, 3, 4, 5]), (16, [1, 2, 3, 4, 6, 8, 12, 16])],
    ids=str,
)
def test_the_ladder_of_slots_ends_at_the_setting(maximum: int, ladder: list[int]) -> None:
    assert counts_up_to(maximum) == ladder


@pytest.mark.parametrize(
    ("documents", "size", "begins_with"),
    [
        (10_000, 10 * MIB, (1250, 10 * MIB // 8)),
        (10, 1000, (10, 1000)),
        (300, 10 * MIB, (300, 10 * MIB)),
        (100_000, MIB, (100_000, MIB)),
    ],
    ids=str,
)
def test_it_begins_with_batches_that_are_small_by_one_measure(
    documents: int, size: int, begins_with: tuple[int, int]
) -> None:
    one = Tuner(concurrency=2, documents=documents, max_bytes=size)

    assert one.limits == (2, *begins_with)

"""LaneLimits find themselves, below the settings, on any sink, and stay where they are best."""

from __future__ import annotations

import math
from random import Random

import pytest

from ptingest.delivery.rate.tuner import LONGEST_WRITE_SECONDS, LaneLimits, Tuner, counts_up_to
from tests.delivery.simulated_sink import MIB, Model, SimulatedLane

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


def best_by_hand(lane: SimulatedLane) -> float:
    """Bytes a second of the best point of the whole grid."""
    sizes = [10 * MIB // 2**halvings for halvings in range(7)]
    return max(
        lane.throughput(LaneLimits(slots, 10_000 * size // (10 * MIB), size))
        for slots in counts_up_to(16)
        for size in sizes
    )


@pytest.mark.parametrize("seed", range(60))
def test_on_any_service_a_minute_brings_85_percent_of_the_best_by_hand(seed: int) -> None:
    lane = SimulatedLane(any_model(Random(seed)), tuner(), seed=seed)

    lane.run(60)

    assert lane.throughput(lane.limiter.tuner.leader) >= 0.85 * best_by_hand(lane)


@pytest.mark.slow
def test_what_it_settles_on_it_keeps_on_a_noisy_machine() -> None:
    changes = []
    for seed in range(12):
        lane = SimulatedLane(any_model(Random(1000 + seed)), tuner(), seed=seed)
        lane.run(60)
        before = lane.limiter.tuner.changes
        lane.run(360)
        changes.append(lane.limiter.tuner.changes - before)

    assert sum(changes) / len(changes) <= 4  # in five minutes
    assert max(changes) <= 12


def test_trying_costs_little() -> None:
    lane = SimulatedLane(QUICK, tuner(), seed=1)
    lane.run(60)

    rate = lane.run(360) / 300

    assert rate >= 0.9 * best_by_hand(lane)


def test_where_more_in_flight_brings_nothing_fewer_are_and_writes_are_short() -> None:
    one_worker = Model(fixed_seconds=0.001, seconds_per_mib=0.05, workers=1, queue=200)
    lane = SimulatedLane(one_worker, tuner(), seed=1)

    lane.run(120)

    leader = lane.limiter.tuner.leader
    assert leader.concurrency <= 2
    assert leader.size <= 1.25 * MIB
    assert "times the bytes a second of" in lane.limiter.tuner.why


def test_a_sink_that_says_429_is_asked_for_too_much_rarely_and_soon_not_at_all() -> None:
    small = Model(fixed_seconds=0.05, seconds_per_mib=0.02, workers=2, queue=1)
    lane = SimulatedLane(small, tuner(), seed=1)

    lane.run(60)
    early = lane.complaints
    lane.run(660)

    assert early <= 20
    assert lane.complaints - early <= 20  # in ten minutes
    assert lane.limiter.tuner.leader.concurrency <= 3


def test_after_an_outage_it_goes_on_as_before_within_seconds() -> None:
    lane = SimulatedLane(QUICK, tuner(), seed=1)
    lane.run(60)
    usual = lane.run(90) / 30

    lane.is_down = True
    lane.run(150)
    lowest = lane.limiter.concurrency
    lane.is_down = False
    lane.run(165)  # the longest backoff is 10 s
    after = lane.run(175) / 10

    assert lowest == 1
    assert after >= 0.85 * usual


def test_a_sink_that_becomes_another_is_learnt_anew() -> None:
    lane = SimulatedLane(QUICK, tuner(), seed=1)
    lane.run(60)

    lane.become(Model(fixed_seconds=0.08, seconds_per_mib=0.04, workers=12, queue=50))
    lane.run(150)

    assert lane.throughput(lane.limiter.tuner.leader) >= 0.85 * best_by_hand(lane)


def test_no_write_is_made_longer_than_a_window_should_wait() -> None:
    slow = Model(fixed_seconds=2.0, seconds_per_mib=0.5, workers=1, queue=200)
    lane = SimulatedLane(slow, tuner(), seed=1)
    began_with = max(lane.limiter.tuner.leader.concurrency * slow.service_seconds(5 << 18), 3.0)

    lane.run(600)

    assert LONGEST_WRITE_SECONDS <= 3
    assert max(lane.latencies) <= began_with + 0.1


def test_without_a_full_load_nothing_is_tried() -> None:
    lane = SimulatedLane(QUICK, tuner(), seed=1)
    began_with = lane.limiter.tuner.leader

    lane.run(120, load=0.5)

    assert lane.limiter.tuner.leader == began_with
    assert lane.limiter.tuner.limits == began_with
    assert "no full load" in lane.limiter.tuner.why


def test_fixed_limits_stay_whatever_happens() -> None:
    lane = SimulatedLane(Model(0.05, 0.02, workers=2, queue=4), tuner(is_fixed=True), seed=1)

    lane.run(30)

    assert lane.complaints > 0
    assert lane.limiter.concurrency == 16
    assert lane.limiter.tuner.limits == LaneLimits(16, 10_000, 10 * MIB)


def test_a_size_that_was_refused_is_not_tried() -> None:
    only_size_pays = Model(fixed_seconds=0.05, seconds_per_mib=0.001, workers=1, queue=50)
    lane = SimulatedLane(only_size_pays, tuner(), seed=1)
    lane.limiter.tuner.ceiling_bytes = 2 * MIB

    lane.run(120)

    assert lane.limiter.tuner.leader.size == 10 * MIB // 4  # the first rung that reaches it


def test_writes_that_blow_up_ask_for_fewer_in_flight() -> None:
    lane = SimulatedLane(QUICK, tuner(), seed=1)
    lane.run(60)

    lane.become(Model(fixed_seconds=2.0, seconds_per_mib=0.5, workers=4, queue=50))
    lane.run(90)

    assert lane.limiter.last_complaint is not None
    assert "writes took" in lane.limiter.last_complaint


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

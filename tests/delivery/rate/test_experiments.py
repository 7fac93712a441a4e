"""What is plain is decided at once, what is not by the mean of several experiments."""

from __future__ import annotations

import math

import pytest

from ptingest.delivery.rate.experiments import (
    LONGEST_REST_SECONDS,
    MOVES,
    REST_SECONDS,
    ExperimentResult,
    Experiments,
    Move,
    needed_for,
    result_of,
)

UP, DOWN = Move(is_size=False, step=1), Move(is_size=False, step=-1)


@pytest.mark.parametrize(
    ("gains", "result"),
    [
        ([0.5], ExperimentResult.WORTH_IT),
        ([-0.3], ExperimentResult.NOT_WORTH_IT),
        ([0.2], ExperimentResult.UNCLEAR),
        ([0.26, 0.26], ExperimentResult.WORTH_IT),
        ([0.4, -0.25], ExperimentResult.UNCLEAR),
        ([0.07] * 5, ExperimentResult.WORTH_IT),
        ([0.06] * 5, ExperimentResult.NOT_WORTH_IT),
    ],
    ids=str,
)
def test_the_closer_to_what_is_needed_the_more_experiments_it_takes(
    gains: list[float], result: ExperimentResult
) -> None:
    assert result_of(gains, 0.05, noise=0.08) is result


def test_on_a_quiet_machine_less_is_plain() -> None:
    quiet, noisy = Experiments(), Experiments()

    for _ in range(30):
        quiet.note_noise(0.001)
        noisy.note_noise(-0.3)

    assert quiet.is_plain(0.12, 0.05)
    assert not noisy.is_plain(0.5, 0.05)


def test_more_in_flight_must_bring_more_and_less_in_flight_may_cost_something() -> None:
    assert 1.04 < math.exp(needed_for(2.0)) < 1.08
    assert needed_for(0.5) == pytest.approx(-needed_for(2.0))
    assert needed_for(1.0) == 0.0


def test_steps_take_turns_up_before_down_unless_one_way_is_wanted() -> None:
    experiments = Experiments()

    first = next(experiments.due(0.0))
    experiments.note(first, 0.05, 0.05, 0.0)
    second = next(experiments.due(0.0))
    experiments.note(second, 0.05, 0.05, 0.0)
    third = next(experiments.due(0.0))
    up = next(experiments.due(0.0, first=1))
    down = next(experiments.due(0.0, first=-1))

    assert (first.step, second.step, third.step) == (1, 1, -1)
    assert first != second
    assert (up, down.step) == (first, -1)


def test_a_step_not_worth_it_rests_longer_each_time_up_to_a_limit() -> None:
    experiments, now, rests = Experiments(), 0.0, []

    for _ in range(10):
        result, mean = experiments.note(UP, -1.0, 0.05, now)
        assert (result, mean) == (ExperimentResult.NOT_WORTH_IT, -1.0)
        began = now
        while UP not in experiments.due(now):
            now += 0.5
        rests.append(now - began)

    assert rests[:3] == [REST_SECONDS, 2 * REST_SECONDS, 4 * REST_SECONDS]
    assert rests[-1] == LONGEST_REST_SECONDS


def test_after_a_step_the_way_back_rests_and_the_others_may_be_tried_at_once() -> None:
    experiments = Experiments()
    for move in MOVES:
        experiments.rest(move, 0.0)

    experiments.adopted(UP, 0.0)

    assert set(experiments.due(0.0)) == set(MOVES) - {DOWN}


def test_to_and_fro_between_two_neighbours_slows_down() -> None:
    experiments = Experiments()

    for _ in range(3):
        experiments.adopted(UP, 0.0)
        experiments.adopted(DOWN, 0.0)

    assert UP not in experiments.due(4 * REST_SECONDS)


def test_when_the_world_changed_everything_may_be_tried_again() -> None:
    experiments = Experiments()
    for move in MOVES:
        experiments.note(move, -1.0, 0.05, 0.0)

    experiments.wake()

    assert set(experiments.due(0.0)) == set(MOVES)

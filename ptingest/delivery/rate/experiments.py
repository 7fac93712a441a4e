"""What is known of the four steps that a lane's tuning may take, and which is tried next.

    due(now) --> an experiment --> note(move, gain) --> result: worth it | not | try again
                              +--> refused(move)    --> rests, longer each time

A gain is a natural logarithm: the bytes a second of the step over those of the leader. One
experiment decides what is plain. What is not is tried again and decided by the mean: how far two
measurements of the same thing lie apart says how many experiments that takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

WORTH = 0.08
"""What a step up must bring, as a share of what it puts in flight in addition (both as
logarithms): twice as much in flight for 1.057 times the throughput. Lower is faster in
theory, higher gives shorter acks; noise hides the difference."""
MOST_EXPERIMENTS = 5
"""Then the mean decides, and a step must be better by ``HYSTERESIS``."""
HYSTERESIS = 0.015
FIRST_NOISE, LEAST_NOISE = 0.06, 0.02
"""How far measurements of one thing lie apart (standard deviation of the logarithm): what is
assumed before any were seen, and at best."""
REST_SECONDS = 10.0
LONGEST_REST_SECONDS = 300.0
"""A step not worth it rests, twice as long each time."""


class Move(NamedTuple):
    """One step on one ladder."""

    is_size: bool
    step: int

    @property
    def opposite(self) -> Move:
        return self._replace(step=-self.step)


MOVES = (Move(False, 1), Move(True, 1), Move(False, -1), Move(True, -1))


class ExperimentResult(Enum):
    """The result of the experiments of one step."""

    WORTH_IT = "worth it"
    NOT_WORTH_IT = "not worth it"
    UNCLEAR = "unclear"


class _Evidence:
    def __init__(self) -> None:
        self.gains: list[float] = []
        self.rest_until = float("-inf")
        self.rests = 0
        self.tried_at = 0


class Experiments:
    """The experiments of steps from one leader."""

    def __init__(self) -> None:
        self._of = {move: _Evidence() for move in MOVES}
        self._count = 0
        self.noise = FIRST_NOISE

    def note_noise(self, difference: float) -> None:
        """Two measurements of the same thing lie this far apart (natural logarithm)."""
        # The mean size of such a difference is 2 / sqrt(pi) standard deviations of one.
        self.noise += (0.89 * min(abs(difference), 0.5) - self.noise) / 4
        self.noise = max(self.noise, LEAST_NOISE)

    def due(self, now: float, *, first: int = 0) -> Iterator[Move]:
        """Yield the steps that may be tried, those untried longest before the others.

        ``first``: 1 for every step up before any step down, -1 the other way, 0 for neither.
        """
        awake = [move for move in MOVES if now >= self._of[move].rest_until]
        yield from sorted(awake, key=lambda move: (-move.step * first, self._of[move].tried_at))

    def note(
        self, move: Move, gain: float, needed: float, now: float
    ) -> tuple[ExperimentResult, float]:
        """Record the gain of one experiment; return its result and the mean gain behind it."""
        one = self._of[move]
        one.gains.append(gain)
        self._count += 1
        one.tried_at = self._count
        result, mean = result_of(one.gains, needed, self.noise), sum(one.gains) / len(one.gains)
        if result is ExperimentResult.NOT_WORTH_IT:
            self.rest(move, now)
        return result, mean

    def is_plain(self, gain: float, needed: float) -> bool:
        """Whether one experiment alone shows that the step is worth it."""
        return result_of([gain], needed, self.noise) is ExperimentResult.WORTH_IT

    def rest(self, move: Move, now: float) -> None:
        """Do not try this step for a while."""
        one = self._of[move]
        one.rest_until = now + min(LONGEST_REST_SECONDS, REST_SECONDS * 2.0 ** min(one.rests, 8))
        one.rests += 1
        one.gains = []

    def adopted(self, move: Move, now: float) -> None:
        """The step was taken: what was known of the others is old, and back is not the way."""
        rested = self._of[move].rests
        for other in MOVES:
            if other != move.opposite:
                self._of[other].gains = []
                self._of[other].rest_until = float("-inf")
                self._of[other].rests = 0
        # Where two neighbours are as good as each other it must not oscillate.
        self._of[move.opposite].rests += rested
        self.rest(move.opposite, now)

    def wake(self) -> None:
        """Conditions changed: a step that was not worth it may be now."""
        for one in self._of.values():
            one.gains, one.rests, one.rest_until = [], 0, float("-inf")


def result_of(gains: list[float], needed: float, noise: float) -> ExperimentResult:
    """Return what these experiments of a step come to that must bring ``needed``."""
    beyond = sum(gains) / len(gains) - needed
    if len(gains) >= MOST_EXPERIMENTS:
        return ExperimentResult.WORTH_IT if beyond > HYSTERESIS else ExperimentResult.NOT_WORTH_IT
    # A gain compares two measurements, so it lies sqrt(2) times as far apart; twice that is
    # passed by chance once in twenty.
    doubt = 2 * math.sqrt(2) * noise / math.sqrt(len(gains))
    if beyond > doubt:
        return ExperimentResult.WORTH_IT
    return ExperimentResult.NOT_WORTH_IT if beyond < -doubt else ExperimentResult.UNCLEAR


def needed_for(more_in_flight: float) -> float:
    """Return the gain that makes this many times the bytes in flight worth it."""
    return WORTH * math.log(more_in_flight)

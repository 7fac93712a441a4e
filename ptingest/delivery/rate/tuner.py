"""How many batches in flight, and how large: found by trying, step by step.

    measure the leader --> try a neighbour --> plainly better: it leads from now on
            ^                    |
            |                    v
            +--- decide <- measure the leader again           refused: back at once

Both limits stand on ladders that end at the settings, and only neighbours of the leader
are tried, one at a time. What counts is answered bytes a second of two settings *measured
in turns*, so that a machine that is slow for a while is slow for both. By Little's law
bytes in flight are throughput times write time: a step up must bring a share of what it
puts in flight in addition, a step down may cost as much. Where more brings nothing the
smaller setting wins, and with it the shorter ack.

Nothing is measured unless the lane is the limit: every slot in use and a whole batch
waiting. Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ptingest.delivery.rate.experiments import ExperimentResult, Experiments, Move, needed_for

START_CONCURRENCY = 4
START_BYTES, START_DOCUMENTS = 5 << 18, 1250
"""Either is small enough to begin with: where the settings allow few documents, bytes may
be many."""
SMALLEST_BYTES, SMALLEST_DOCUMENTS = 128 << 10, 64
SLOW_WRITE_SECONDS = 1.0
"""Where writes take longer, steps down are tried first: nothing is learnt sooner, and with
many in flight nothing is lost by it as a rule."""
LONGEST_WRITE_SECONDS = 3.0
"""No step up is tried after which a write would take longer: its windows would wait as long."""
ROUND_ANSWERS = 8
"""Fewest answers in one measurement."""
HURRY_SECONDS, MEASURE_SECONDS = 0.4, 1.0
"""Shortest measurement while every step up still pays, and afterwards."""
SUDDEN = 0.4
"""When the leader brings this much more or less than before (natural logarithm), conditions have
changed and all steps are tried again."""
BLOWUP = 5.0
"""Writes that take this many times the baseline for a round ask for fewer in flight."""


class LaneLimits(NamedTuple):
    """What a lane keeps to."""

    concurrency: int
    documents: int
    size: int
    """Bytes of bodies in one batch."""

    @property
    def in_flight(self) -> int:
        """Bytes that may be in flight."""
        return self.concurrency * self.size

    def __str__(self) -> str:
        return f"{self.concurrency} x {self.size / (1 << 20):.3g} MiB"


class Measured(NamedTuple):
    """What one measurement brought."""

    bytes_per_second: float
    write_seconds: float


class _Point(NamedTuple):
    """A place on both ladders."""

    slots: int
    size: int

    def after(self, move: Move, steps: int) -> _Point:
        if move.is_size:
            return self._replace(size=self.size + move.step * steps)
        return self._replace(slots=self.slots + move.step * steps)


@dataclass(slots=True)
class _Experiment:
    move: Move
    point: _Point
    before: Measured
    tried: Measured | None = None
    """Known: the leader is measured again, to compare."""


class _Measurement:
    """Answers to batches that were all sent under one setting."""

    def __init__(self, stale: int) -> None:
        self.stale = stale
        """Batches still in flight from before."""
        self.began: float | None = None
        self.bytes = self.answers = self.unfit = 0
        self.seconds = 0.0

    def add(self, now: float, size: int, seconds: float) -> None:
        # The first answer only starts the clock, so that whole rounds are counted.
        if self.began is None:
            self.began = now
        else:
            self.bytes += size
            self.answers += 1
            self.seconds += seconds

    def measured(self, now: float, concurrency: int, shortest: float) -> Measured | None:
        """Return the result once enough whole rounds are in."""
        wanted = max(ROUND_ANSWERS, 2 * concurrency)
        if self.began is None or self.answers < wanted or self.answers % concurrency:
            return None
        passed = now - self.began
        if passed < shortest:
            return None
        return Measured(self.bytes / passed, self.seconds / self.answers)


class Tuner:
    """Finds a lane's limits; lives on one loop."""

    def __init__(
        self, *, concurrency: int, documents: int, max_bytes: int, is_fixed: bool = False
    ) -> None:
        self._counts = [concurrency] if is_fixed else counts_up_to(concurrency)
        self._shares = [1] if is_fixed else shares_up_to(documents, max_bytes)
        self._documents, self._bytes = documents, max_bytes
        self.is_fixed = is_fixed
        self.ceiling_bytes = max_bytes
        """Batches of more bytes were refused for their size (413)."""
        self._leader = _Point(
            last_index(self._counts, lambda count: count <= START_CONCURRENCY),
            last_index(
                self._shares,
                lambda share: (
                    max_bytes <= START_BYTES * share or documents <= START_DOCUMENTS * share
                ),
            ),
        )
        self.leader = self._limits(self._leader)
        """What was found best so far."""
        self._experiment: _Experiment | None = None
        self._experiments = Experiments()
        self._is_growing = True
        self.epoch = 0
        """Goes up with every change of what holds."""
        self._in_flight = 0
        self._measurement = _Measurement(0)
        self.measured: Measured | None = None
        """The last measurement of the leader."""
        self.baseline_seconds: float | None = None
        """Write time of full batches under the leader at its lowest; forgets slowly."""
        self._recent_seconds = 0.0
        self.changes = 0
        self.why = "fixed by the settings" if is_fixed else "the start; no full load seen yet"

    @property
    def limits(self) -> LaneLimits:
        """The limits in force: the best known, or those of the running experiment."""
        experiment = self._experiment
        if experiment is None or experiment.tried:
            return self.leader
        return self._limits(experiment.point)

    # --- what happens -----------------------------------------------------------------

    def began(self) -> int:
        """A batch goes out; returns the epoch, to be handed back when it ends."""
        self._in_flight += 1
        return self.epoch

    def ended(self, epoch: int) -> None:
        """A batch ended; report its outcome afterwards if it is usable as a measurement."""
        self._in_flight -= 1
        if epoch < self.epoch:
            self._measurement.stale = max(0, self._measurement.stale - 1)

    def answered(
        self, epoch: int, now: float, *, size: int, seconds: float, is_pressed: bool
    ) -> str | None:
        """A batch of ``size`` bytes was taken after ``seconds``; learn from it.

        ``is_pressed``: it was full, and when it ended every slot was taken and more waited.
        Returns why fewer should be in flight for now, None where all is well.
        """
        if self.is_fixed or epoch != self.epoch or self._measurement.stale:
            return None
        measurement = self._measurement
        if not is_pressed:
            measurement.unfit += 1
            if measurement.unfit > max(self.limits.concurrency, measurement.answers // 4):
                # The load ended: what is measured now says nothing.
                self.pause()
                return None
        elif (slow := self._note_slowness(seconds)) is not None:
            self.pause()
            return slow
        if is_pressed or measurement.began is not None:
            measurement.add(now, size, seconds)
        shortest = HURRY_SECONDS if self._is_growing else MEASURE_SECONDS
        measured = self._measurement.measured(now, self.limits.concurrency, shortest)
        if measured is not None:
            self._learn(measured, now)
        return None

    def refused(self, epoch: int, now: float, what: str) -> bool:
        """The sink complained; return whether only of an experiment: then the leader may stay."""
        self._is_growing = False
        experiment = self._experiment
        is_of_experiment = (
            experiment is not None and experiment.tried is None and epoch == self.epoch
        )
        if is_of_experiment and experiment is not None:
            self._experiments.rest(experiment.move, now)
            self.why = f"{self.leader}: {self.limits} was answered with: {what}"
        self.pause()
        return is_of_experiment and experiment is not None and experiment.point > self._leader

    def give_way(self, concurrency: int, now: float, what: str) -> None:
        """The sink complained again before all were back in flight: lead with fewer."""
        lower = last_index(self._counts, lambda count: count <= concurrency)
        if lower >= self._leader.slots:
            return
        old = self.leader
        self._lead(self._leader._replace(slots=lower))
        self._experiments.wake()
        self._experiments.rest(Move(is_size=False, step=1), now)
        self._is_growing = True
        self.why = f"{self.leader}: {old} was answered with: {what}, again and again"

    def pause(self) -> None:
        """What is measured now says nothing: no load, or fewer in flight than ought to be."""
        was_idle = self._experiment is None and self._measurement.began is None
        self._experiment = None
        if not was_idle:
            self._measure_anew()
        self._measurement.unfit = 0

    # --- deciding ---------------------------------------------------------------------

    def _learn(self, measured: Measured, now: float) -> None:
        experiment = self._experiment
        if experiment is None:
            self._note_leader(measured)
            self._try_next(measured, now)
        elif experiment.tried is None:
            gain = _log_ratio(measured, experiment.before)
            if self._experiments.is_plain(gain, self._needed(experiment.point)):
                self._decide(experiment, gain, measured, now)
            else:
                experiment.tried = measured
                self._measure_anew()
        else:
            self._note_leader(measured)
            # The leader before and after: half of a drift between them is the experiment's.
            gain = (
                _log_ratio(experiment.tried, experiment.before)
                + _log_ratio(experiment.tried, measured)
            ) / 2
            self._experiments.note_noise(_log_ratio(experiment.before, measured))
            self._decide(experiment, gain, measured, now)

    def _decide(self, experiment: _Experiment, gain: float, measured: Measured, now: float) -> None:
        """Record an experiment's gain, adopt it where it is worth it, and go on to the next.

        ``measured`` is the latest: the experiment's where it was plainly better, else the
        leader's.
        """
        old, new = self.leader, self._limits(experiment.point)
        needed = self._needed(experiment.point)
        result, mean = self._experiments.note(experiment.move, gain, needed, now)
        compared = f"{new} brought {math.exp(mean):.2f} times the bytes a second of {old}"
        if result is ExperimentResult.WORTH_IT:
            self._lead(experiment.point)
            self._experiments.adopted(experiment.move, now)
            self.why = f"{new}: {compared}"
            if experiment.tried is None:
                self._note_leader(measured)
                self._try_next(measured, now)
            return
        if result is ExperimentResult.NOT_WORTH_IT:
            self._is_growing = self._is_growing and experiment.move.step > 0
            self.why = f"{old}: {compared}, which is not worth it"
        self._try_next(measured, now)

    def _try_next(self, measured: Measured, now: float) -> None:
        """Try the next neighbour that is due, else measure the leader on."""
        self._experiment = None
        first = 1 if self._is_growing else 0
        if measured.write_seconds > SLOW_WRITE_SECONDS:
            first = -1
        for move in self._experiments.due(now, first=first):
            self._is_growing = self._is_growing and move.step > 0
            point = self._leader.after(move, self._stride(move))
            if self._is_allowed(point, measured):
                self._experiment = _Experiment(move, point, measured)
                break
        self._measure_anew()

    def _is_allowed(self, point: _Point, measured: Measured) -> bool:
        if not (0 <= point.slots < len(self._counts) and 0 <= point.size < len(self._shares)):
            return False
        here, there = self.leader, self._limits(point)
        if there.in_flight < here.in_flight:
            return True
        if there.size > here.size and here.size >= self.ceiling_bytes:
            return False
        # Nothing gained by more: then a write takes this long.
        seconds = measured.write_seconds * there.in_flight / here.in_flight
        return seconds <= LONGEST_WRITE_SECONDS

    def _stride(self, move: Move) -> int:
        """While every step up pays, slots double as sizes do."""
        if move.is_size or not self._is_growing:
            return 1
        return max(1, min(2, len(self._counts) - 1 - self._leader.slots))

    def _needed(self, point: _Point) -> float:
        return needed_for(self._limits(point).in_flight / self.leader.in_flight)

    # --- small things -----------------------------------------------------------------

    def _lead(self, point: _Point) -> None:
        self._leader, self._experiment = point, None
        self.leader = self._limits(point)
        self.measured = self.baseline_seconds = None
        self._recent_seconds = 0.0
        self.changes += 1
        self._measure_anew()

    def _measure_anew(self) -> None:
        self.epoch += 1
        self._measurement = _Measurement(self._in_flight)

    def _note_leader(self, measured: Measured) -> None:
        before, self.measured = self.measured, measured
        if before is not None and abs(_log_ratio(measured, before)) > SUDDEN:
            self._experiments.wake()
        lowest = measured.write_seconds
        if self.baseline_seconds is not None:
            lowest = min(lowest, self.baseline_seconds * 1.02)
        self.baseline_seconds = lowest

    def _note_slowness(self, seconds: float) -> str | None:
        """Smooth the write time; return a sentence when it has blown up."""
        if self.baseline_seconds is None:
            return None
        recent = self._recent_seconds or seconds
        self._recent_seconds = recent + (seconds - recent) / (2 * self.limits.concurrency)
        more = max(1.0, self.limits.in_flight / self.leader.in_flight)
        if self._recent_seconds <= BLOWUP * more * self.baseline_seconds + 0.1:
            return None
        slow, usual = self._recent_seconds, self.baseline_seconds
        # If the slower times persist, they become the new baseline.
        self.baseline_seconds, self._recent_seconds = 2 * usual, 0.0
        return f"writes took {slow:.2g} s, usually {usual:.2g} s"

    def _limits(self, point: _Point) -> LaneLimits:
        share = self._shares[point.size]
        documents, size = max(1, self._documents // share), max(1, self._bytes // share)
        return LaneLimits(self._counts[point.slots], documents, size)


def counts_up_to(maximum: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, 16 ... and ``maximum``."""
    counts = [1, 2, 3]
    while counts[-1] < maximum:
        counts += [counts[-2] * 2]
    return [count for count in counts if count < maximum] + [maximum]


def shares_up_to(documents: int, max_bytes: int) -> list[int]:
    """Return by what the largest batch is divided: ... 8, 4, 2, 1."""
    shares = [1]
    while (
        max_bytes // shares[0] >= 2 * SMALLEST_BYTES
        and documents // shares[0] >= 2 * SMALLEST_DOCUMENTS
    ):
        shares.insert(0, shares[0] * 2)
    return shares


def last_index(ladder: Sequence[int], is_fine: Callable[[int], bool]) -> int:
    """Return the highest rung that is fine, the lowest where none is."""
    return max((index for index, rung in enumerate(ladder) if is_fine(rung)), default=0)


def _log_ratio(one: Measured, other: Measured) -> float:
    return math.log(max(one.bytes_per_second, 1.0) / max(other.bytes_per_second, 1.0))

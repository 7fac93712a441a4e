"""A sink as a formula, and a lane's worth of load on it, in made-up time.

A write takes a fixed time and a time a byte, on one of a few workers; what finds no worker
waits in a queue, and what finds no place there is answered 429. Real ones vary: each write
by itself, and the whole machine slowly.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from random import Random

from ptingest.delivery.rate.limiter import AttemptStart, EndedAttempt, RateLimiter
from ptingest.delivery.rate.tuner import LaneLimits, Tuner

MIB = 1 << 20


@dataclass(frozen=True)
class Model:
    """How a sink behaves."""

    fixed_seconds: float
    seconds_per_mib: float
    workers: int
    queue: int
    """Writes that may wait; one more is answered 429."""
    trip_seconds: float = 0.0
    """On the way and not in the sink."""
    jitter: float = 0.0
    """Standard deviation of one write's logarithm."""
    weather: float = 0.0
    """The same of the whole machine, which changes every few seconds."""
    heavy_mib: float = math.inf
    """Batches of this size cost twice as much a byte: memory, collections."""

    def service_seconds(self, size: int) -> float:
        mib = size / MIB
        return self.fixed_seconds + mib * self.seconds_per_mib * (1 + mib / self.heavy_mib)

    def best_throughput(self, limits: LaneLimits) -> float:
        """Bytes a second without chance; 0 where it would answer 429."""
        if limits.concurrency > self.workers + self.queue:
            return 0.0
        seconds = self.service_seconds(limits.size)
        alone = limits.concurrency * limits.size / (seconds + self.trip_seconds)
        return min(alone, self.workers * limits.size / seconds)


class SimulatedLane:
    """A lane that always has documents waiting, on a sink like ``model``."""

    def __init__(self, model: Model, tuner: Tuner, *, seed: int, document_bytes: int = 2000):
        self.model, self.chance, self.now = model, Random(seed), 0.0
        self.limiter = RateLimiter(initial_seconds=0.25, max_seconds=10, tuner=tuner)
        self.document_bytes = document_bytes
        self.taken = self.complaints = self.answers = 0
        self.is_down = False
        self.latencies: list[float] = []
        self._events: list[tuple[float, int, int, AttemptStart | None, bool]] = []
        self._free = [0.0] * model.workers
        self._in_flight = self._number = 0
        self._weather, self._weather_until = 1.0, 0.0

    def throughput(self, limits: LaneLimits) -> float:
        """Bytes a second that these limits bring here, without chance."""
        return self.model.best_throughput(limits._replace(size=self._filled(limits)))

    def become(self, model: Model) -> None:
        """Be another sink from now on; what is in flight stays so."""
        self.model = model
        self._free = [self.now] * model.workers

    def run(self, until: float, load: float = 1.0) -> int:
        """Go on until this time; return the bytes taken meanwhile."""
        before = self.taken
        self._fill(load)
        while self._events and self._events[0][0] <= until:
            self.now, _, size, sent, is_good = heapq.heappop(self._events)
            self._end(size, sent, is_good, load)
            self._fill(load)
        self.now = until
        return self.taken - before

    def _fill(self, load: float) -> None:
        limiter = self.limiter
        while self._in_flight < limiter.concurrency:
            if limiter.backoff.until > self.now:
                # Nothing goes before that: a tick to look again.
                self._push(limiter.backoff.until, 0, None, True)
                return
            self._begin(is_full=load >= 1 or self.chance.random() < load / 2)

    def _begin(self, *, is_full: bool) -> None:
        size = self._filled(self.limiter.tuner.limits)
        sent = self.limiter.begin(self.now, is_full=is_full)
        self._in_flight += 1
        self.answers += 1
        if self.is_down:
            self._push(self.now + 0.002, size, sent, False)
            return
        arrives = self.now + self.model.trip_seconds / 2
        if self._inside(arrives) >= self.model.workers + self.model.queue:
            self._push(self.now + self.model.trip_seconds + 0.001, size, sent, False)
            return
        worker = min(range(len(self._free)), key=self._free.__getitem__)
        begins = max(arrives, self._free[worker])
        self._free[worker] = begins + self._seconds(size)
        self._push(self._free[worker] + self.model.trip_seconds / 2, size, sent, True)

    def _filled(self, limits: LaneLimits) -> int:
        """Bytes of a batch that is full: whole documents within both limits."""
        return min(limits.size // self.document_bytes, limits.documents) * self.document_bytes

    def _inside(self, now: float) -> int:
        """Writes that the sink has accepted and not finished."""
        return sum(
            is_good and sent is not None and at > now for at, _, _, sent, is_good in self._events
        )

    def _seconds(self, size: int) -> float:
        model, chance = self.model, self.chance
        if self.now >= self._weather_until:
            self._weather_until = self.now + chance.uniform(1, 6)
            self._weather = math.exp(chance.gauss(0, model.weather))
        own = math.exp(chance.gauss(-(model.jitter**2) / 2, model.jitter))
        return model.service_seconds(size) * own * self._weather

    def _end(self, size: int, sent: AttemptStart | None, is_good: bool, load: float) -> None:
        if sent is None:
            return
        is_crowded = load >= 1 and self._in_flight >= self.limiter.concurrency
        self._in_flight -= 1
        if is_good:
            self.taken += size
            self.latencies.append(self.now - sent.at)
            self.limiter.answered(
                EndedAttempt(sent, self.now, is_crowded),
                size=size,
                complaint=None,
                has_answers=True,
            )
        else:
            self.complaints += 1
            self.limiter.overloaded(
                EndedAttempt(sent, self.now, is_crowded), self.chance.random(), None, "429"
            )

    def _push(self, at: float, size: int, sent: AttemptStart | None, is_good: bool) -> None:
        self._number += 1
        heapq.heappush(self._events, (at, self._number, size, sent, is_good))

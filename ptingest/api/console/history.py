"""The last hour in numbers: sampled from the metrics every ten seconds, drawn as charts.

360 points of a few numbers each and the samples of ten minutes are kept, whatever the
traffic. A point is what changed between two samples; quantiles come from the change of the
histogram's buckets, so they are those of that time, not since the start.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ptingest.api.rates import SAMPLE_SECONDS
from ptingest.telemetry.histogram import Buckets, growth, quantile
from ptingest.telemetry.metrics import Metrics

KEPT_SECONDS = 3600.0
LATELY_SECONDS = 600.0
"""How far back rates and write times reach."""
CPU_SECONDS = 60.0
"""The time over which the use of processors and Kafka's rates are averaged, about."""
MAX_TROUBLES = 16
"""Sinks whose last trouble is remembered."""

RECEIVED = "ptingest_flow_received_events_total"
SETTLED = "ptingest_lane_settled_events_total"
ACK_SECONDS = "ptingest_beats_ack_seconds"
WRITE_SECONDS = "ptingest_lane_write_seconds"
OUTSTANDING = "ptingest_lane_outstanding_events"


class CounterSample(NamedTuple):
    """The counters at one moment."""

    at: float
    """Seconds since the epoch."""
    received: dict[str, int]
    """By service."""
    letters: int
    waiting: int
    acks: Buckets
    writes: dict[str, Buckets]
    """By sink."""


class Point(NamedTuple):
    """What happened between two samples."""

    at: float
    rate: float
    """Events received a second."""
    letters: float
    """Events dead-lettered a second."""
    waiting: int
    """Events in flight at its end, with the sink that has most."""
    p50: float | None
    p99: float | None
    """Seconds to the ack; None where nothing was acked."""


class Trouble(NamedTuple):
    """The last trouble of a sink."""

    text: str
    at: float
    """When it was last seen, seconds since the epoch."""


class History:
    """Collects samples for the overview."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._points: deque[Point] = deque(maxlen=int(KEPT_SECONDS / SAMPLE_SECONDS))
        self._samples: deque[CounterSample] = deque(maxlen=int(LATELY_SECONDS / SAMPLE_SECONDS) + 1)
        self._cpu: deque[tuple[float, float]] = deque(maxlen=int(CPU_SECONDS / SAMPLE_SECONDS) + 1)
        self._kafka: deque[tuple[float, dict[str, tuple[int, int]]]]
        self._kafka = deque(maxlen=int(CPU_SECONDS / SAMPLE_SECONDS) + 1)
        self.troubles: dict[str, Trouble] = {}

    def sample(self, now: float) -> None:
        """Keep the counters as they are; call it every ``SAMPLE_SECONDS``."""
        fresh = self._take(now)
        if self._samples:
            self._points.append(_point(self._samples[-1], fresh))
        self._samples.append(fresh)

    def note_troubles(self, troubles: dict[str, str | None], now: float) -> None:
        """Remember the troubles of sinks; the status drops a trouble when it is over."""
        for sink, text in troubles.items():
            if text and (sink in self.troubles or len(self.troubles) < MAX_TROUBLES):
                self.troubles[sink] = Trouble(text, now)

    def note_cpu(self, seconds: float, now: float) -> None:
        """Keep how much processor time was used up to ``now``; call it as ``sample``."""
        self._cpu.append((now, seconds))

    def cpu_share(self, seconds: float, now: float) -> float | None:
        """Return the processors used since about a minute ago, 1.0 for one core; None where
        too little time has passed to say."""
        if not self._cpu or now - self._cpu[0][0] < SAMPLE_SECONDS / 2:
            return None
        at, before = self._cpu[0]
        # The time of a replaced worker is gone: never show a negative share.
        return max(0.0, seconds - before) / (now - at)

    def note_kafka(self, counts: dict[str, tuple[int, int]], now: float) -> None:
        """Keep the events taken and made safe by the buffer and by each source; call it as
        ``sample``."""
        self._kafka.append((now, counts))

    def kafka_rates(
        self, name: str, taken: int, safe: int, now: float
    ) -> tuple[float | None, float | None]:
        """Return events taken and made safe a second since about a minute ago; None where too
        little time has passed to say."""
        known = [(at, counts[name]) for at, counts in self._kafka if name in counts]
        if not known or now - known[0][0] < SAMPLE_SECONDS / 2:
            return None, None
        at, before = known[0]
        # The counts of a replaced worker are gone: never show a negative rate.
        of_taken, of_safe = max(0, taken - before[0]), max(0, safe - before[1])
        return of_taken / (now - at), of_safe / (now - at)

    def points(self, now: float) -> list[Point]:
        """Return the last hour, oldest first; its last point ends now."""
        points = [point for point in self._points if now - point.at <= KEPT_SECONDS]
        # A very short last point would jump.
        if self._samples and now - self._samples[-1].at >= SAMPLE_SECONDS / 2:
            points.append(_point(self._samples[-1], self._take(now)))
        return points

    def rates(self, now: float, seconds: float = 60.0) -> dict[str, float]:
        """Return events received a second by service, over about the last minute."""
        since = self._before(now - seconds)
        if since is None:
            return {}
        newest = self._take(now)
        return {
            service: max(0.0, count - since.received.get(service, 0))
            / max(0.001, newest.at - since.at)
            for service, count in newest.received.items()
        }

    def write_seconds(
        self, sink: str, now: float, seconds: float = LATELY_SECONDS
    ) -> list[float | None]:
        """Return median and 99th percentile of a sink's attempts over the last ten minutes."""
        since = self._before(now - seconds)
        before = since.writes.get(sink, ()) if since else ()
        grown = growth(before, self._metrics.buckets(WRITE_SECONDS, sink))
        return [quantile(grown, 0.5), quantile(grown, 0.99)]

    def _before(self, moment: float) -> CounterSample | None:
        """The youngest sample at least as old as ``moment``, else the oldest there is."""
        older = [sample for sample in self._samples if sample.at <= moment]
        return older[-1] if older else next(iter(self._samples), None)

    def _take(self, now: float) -> CounterSample:
        metrics = self._metrics
        by_sink: dict[str, int] = {}
        for (sink, _), value in metrics.labelled(OUTSTANDING):
            by_sink[sink] = by_sink.get(sink, 0) + int(value)
        settled = [(labels, value) for labels, value in metrics.labelled(SETTLED)]
        return CounterSample(
            at=now,
            received={labels[0]: int(value) for labels, value in metrics.labelled(RECEIVED)},
            letters=sum(int(value) for labels, value in settled if labels[2] == "dead_lettered"),
            waiting=max(by_sink.values(), default=0),
            acks=metrics.buckets(ACK_SECONDS),
            writes={sink: metrics.buckets(WRITE_SECONDS, sink) for sink in by_sink},
        )


def _point(before: CounterSample, after: CounterSample) -> Point:
    seconds = max(0.001, after.at - before.at)  # the clock may have been set back
    # The counts of a replaced worker are gone: never show a negative rate.
    received = max(0, sum(after.received.values()) - sum(before.received.values()))
    grown = growth(before.acks, after.acks)
    return Point(
        at=after.at,
        rate=received / seconds,
        letters=max(0, after.letters - before.letters) / seconds,
        waiting=after.waiting,
        p50=quantile(grown, 0.5),
        p99=quantile(grown, 0.99),
    )

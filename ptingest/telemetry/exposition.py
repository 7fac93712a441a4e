"""Prometheus text of the counters of one process, by the public collector interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from ptingest.telemetry.metrics import Metric, Metrics, MetricSample

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(metrics: Metrics) -> bytes:
    """Return Prometheus text, gauges fresh; every metric of the table is in it."""
    metrics.refresh()
    registry = CollectorRegistry()
    registry.register(_Collector(metrics))
    return generate_latest(registry)


class _Collector(Collector):
    """Gives the counters to the client library as they are."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Family]:
        """Describe nothing in advance: this is the only collector of its registry."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield each metric of the table with its values."""
        children: dict[str, list[MetricSample]] = {}
        for sample in self._metrics.samples():
            children.setdefault(sample.name, []).append(sample)
        for row in self._metrics.table:
            untouched = [] if row.labels else [MetricSample(row.name, (), row.zeros())]
            yield _family(row, children.get(row.name, untouched))


def _family(row: Metric, samples: Iterable[MetricSample]) -> Family:
    if row.kind == "histogram":
        histogram = HistogramMetricFamily(row.name, row.help, labels=row.labels)
        bounds = (*map(str, row.buckets), "+Inf")
        for _, labels, (total, *counts) in samples:
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            histogram.add_metric(labels, buckets, sum_value=total)
        return histogram
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for _, labels, values in samples:
        family.add_metric(labels, values[0])
    return family

"""Metrics of several processes as one set: added up, and counters never decrease.

    samples of each process --merge--> one set, for `Metrics.show`
    samples of one that died --retire--> what stays of it for ever

A counter is the sum over all processes, those that ended included, so it keeps growing when a
process is started again. The table of metrics says how gauges are combined.
"""

from __future__ import annotations

from collections.abc import Iterable

from ptingest.telemetry.metrics import METRICS, Metric, MetricSample

_ROWS: dict[str, Metric] = {row.name: row for row in METRICS}


def merge(parts: Iterable[Iterable[MetricSample]]) -> list[MetricSample]:
    """Return one sample for each child that any part has; the parts are not changed."""
    merged: dict[tuple[str, tuple[str, ...]], MetricSample] = {}
    for part in parts:
        for sample in part:
            place = (sample.name, sample.labels)
            known = merged.get(place)
            merged[place] = sample if known is None else _together(known, sample)
    return list(merged.values())


def _together(a: MetricSample, b: MetricSample) -> MetricSample:
    match _ROWS[a.name].merge:
        case "max":
            values = [max(a.values[0], b.values[0])]
        case "min":
            values = [min(a.values[0], b.values[0])]
        case "sum":
            values = [x + y for x, y in zip(a.values, b.values, strict=True)]
    return a._replace(values=values)


def retire(samples: Iterable[MetricSample]) -> list[MetricSample]:
    """Return the samples that count after a process has ended: all but its gauges."""
    return [sample for sample in samples if _ROWS[sample.name].kind != "gauge"]

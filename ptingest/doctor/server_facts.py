"""Status and metrics of a running server, read from its HTTP port."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ptingest.errors import ServerUnreachable
from ptingest.telemetry.metrics import METRICS as TABLE
from ptingest.telemetry.metrics import Metrics

ASK_SECONDS = 10.0
STATUS, METRICS = "/status", "/metrics"
"""Where a finding was seen."""
_BUCKET = re.compile(r'^(\w+)_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The answers of one server at one moment."""

    where: str
    failure: str = ""
    """Why there is no answer."""
    cure: str = ""
    """What to do about it, where it answers but does not let us in."""
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[tuple[str, ...], float]] = field(default_factory=dict)
    """Name -> label values in the order of their names -> value."""
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """Of histograms, added up over all labels: upper bound -> observations up to it."""
    asked_at: float = 0.0
    """Seconds since the epoch."""

    def total(self, name: str, *, by: int | None = None) -> Counter[str]:
        """Add a metric up by one of its labels (in alphabetical order of their names)."""
        found: Counter[str] = Counter()
        for labels, value in self.metrics.get(name, {}).items():
            found["" if by is None else labels[by]] += int(value)
        return found

    def value(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        return sum(self.metrics.get(name, {}).values())


def read_facts(where: str, get: Callable[[str], bytes]) -> ServerFacts:
    """Ask for status and metrics and return them; never raises.

    Args:
        where: the server's URL, for messages.
        get: returns the body of a path; raises ServerUnreachable.
    """
    try:
        status = orjson.loads(get("/status"))
        if not isinstance(status, dict) or "books" not in status:
            return ServerFacts(where, failure="the program that answers there is not ptingest")
        text = get("/metrics").decode()
        metrics, buckets = read_metrics(text), read_buckets(text)
    except ServerUnreachable as error:
        return ServerFacts(where, failure=error.cause, cure=error.cure)
    except ValueError as error:  # not JSON, not UTF-8, not Prometheus text
        return ServerFacts(where, failure=str(error) or type(error).__name__)
    return ServerFacts(where, status=status, metrics=metrics, buckets=buckets, asked_at=time.time())


def own_facts(status: Mapping[str, Any], metrics: Metrics, now: float) -> ServerFacts:
    """Return what a server knows of itself, without asking its port; no histograms."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, values in metrics.samples():
        if len(values) == 1:
            order = _LABEL_ORDER[name]
            found.setdefault(name, {})[tuple(labels[at] for at in order)] = values[0]
    return ServerFacts("", status=status, metrics=found, asked_at=now)


_LABEL_ORDER = {
    row.name: sorted(range(len(row.labels)), key=row.labels.__getitem__) for row in TABLE
}
"""Metric -> the places of its labels, in the alphabetical order of their names."""


def read_metrics(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Read Prometheus text; of histograms only count and sum."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                labels = tuple(sample.labels[name] for name in sorted(sample.labels))
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def read_buckets(text: str) -> dict[str, dict[float, float]]:
    """Read the histograms of Prometheus text, added up over all labels but the bound."""
    found: dict[str, dict[float, float]] = {}
    for name, bound, count in _BUCKET.findall(text):
        buckets = found.setdefault(name, {})
        buckets[float(bound)] = buckets.get(float(bound), 0.0) + float(count)
    return found

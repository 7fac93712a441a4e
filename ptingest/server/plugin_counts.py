"""Brings what filters of a ``logstash.conf`` have counted into the metrics.

A pipeline counts without metrics, since it is pure; what it has counted since the last time is
added before each scrape. A reload begins with a new pipeline, whose counts begin at 0.
"""

from __future__ import annotations

from ptingest.pipeline.pipeline import Pipeline
from ptingest.telemetry.metrics import Metrics

NAME = "ptingest_pipeline_plugin_events_total"


class PluginCounter:
    """Adds the counts of the pipeline in force."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pipeline: Pipeline | None = None
        self._seen: dict[tuple[str, str], int] = {}

    def add(self, pipeline: Pipeline) -> None:
        """Add what was counted since the last call; call it before a reload, too."""
        if pipeline is not self._pipeline:
            self._pipeline, self._seen = pipeline, {}
        for one in pipeline.plugins:
            counts = {"in": one.events_in, "out": one.events_out, "failures": one.failures}
            for what, count in counts.items():
                place = (one.id, what)
                fresh = count - self._seen.get(place, 0)
                self._seen[place] = count
                self._metrics.add(NAME, fresh, one.id, one.name, what)

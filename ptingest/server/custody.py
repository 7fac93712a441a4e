"""Counts the events that the flow has received and no lane has taken over yet.

    open     a chunk was processed: its events are in custody, for each sink
    hand_over, close, give_back    they leave it: to a lane, with a fate, or unacked

Every event leaves exactly once for each sink, so the books of each sink balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ptingest.model.outcome import Fate, Processed
from ptingest.telemetry.metrics import Metrics

SETTLED = "ptingest_lane_settled_events_total"


class Custody:
    """Events in the flow, by sink and service; the only place where the flow counts them."""

    def __init__(self, sinks: Sequence[str], metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: dict[str, Counter[str]] = {sink: Counter() for sink in sinks}

    def of(self, sink: str) -> Counter[str]:
        """Events by service that this sink's lane has not got yet."""
        return self._counts[sink]

    def open(self, processed: Processed) -> None:
        """Open the books of a chunk; what was dropped by a rule leaves at once."""
        metrics = self._metrics
        for service, count in processed.received.items():
            metrics.add("ptingest_flow_received_events_total", count, service)
            for counts in self._counts.values():
                counts[service] += count
        for (service, reason), count in processed.dropped.items():
            metrics.add("ptingest_flow_dropped_events_total", count, service, reason)
            self.close(service, Fate.DROPPED, count)
        for (service, what), count in processed.tallies.items():
            metrics.add("ptingest_pipeline_noted_events_total", count, service, what)

    def hand_over(self, sink: str, by_service: Mapping[str, int]) -> None:
        """The lane of this sink has them now."""
        self._counts[sink].subtract(by_service)

    def give_back(self, sink: str, by_service: Mapping[str, int]) -> None:
        """They never reach the lane of this sink; their window is not acked."""
        for service, count in by_service.items():
            self._leave(sink, service, Fate.GIVEN_BACK, count)

    def close(self, service: str, fate: Fate, count: int) -> None:
        """This fate ends events for every sink."""
        for sink in self._counts:
            self._leave(sink, service, fate, count)

    def _leave(self, sink: str, service: str, fate: Fate, count: int) -> None:
        self._counts[sink][service] -= count
        self._metrics.add(SETTLED, count, sink, service, fate)

"""Counts the events that the flow has received and no lane has taken over yet.

    open     a chunk was processed: its events are in custody, for each sink
    spread   some became several documents, or go to other sinks only
    hand_over, close, give_back    they leave it: to a lane, with a fate, or unacked

Every event leaves exactly once for each sink, so the books of each sink balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ptingest.delivery.books import by_service
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, Processed
from ptingest.telemetry.metrics import Metrics

SETTLED = "ptingest_lane_settled_events_total"
ADDED = "ptingest_flow_added_events_total"


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

    def spread(self, processed: Processed, portions: Mapping[str, Sequence[Document]]) -> None:
        """Correct the books of a chunk that was opened: what each sink gets is in ``portions``.

        In the books of a sink a further document of one event is one event more, and an event
        without a document for it leaves at once.
        """
        made = Counter(processed.received)
        for (service, _), count in processed.dropped.items():
            made[service] -= count
        made.subtract(letter.service for letter in processed.dead_letters)
        for sink, documents in portions.items():
            own = Counter({id(one.payload): one.service for one in documents}.values())
            for service, count in by_service([documents]).items():
                added = count - own[service]
                self._metrics.add(ADDED, added, sink, service)
                self._counts[sink][service] += added
            for service, count in made.items():
                if count > own[service]:
                    self._leave(sink, service, Fate.ELSEWHERE, count - own[service])

    def hand_over(self, sink: str, by_service: Mapping[str, int]) -> None:
        """The lane of this sink has them now."""
        counts = self._counts[sink]
        for service, count in by_service.items():
            counts[service] -= count

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

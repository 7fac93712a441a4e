"""The books of the buffer: events received, and what became of them.

    received = appended + dead-lettered + given back + outstanding

The unit is the event; each leaves once. Receipts are told by whoever calls.
"""

from __future__ import annotations

from ptingest.telemetry.metrics import Metrics


class BufferBooks:
    """Counts events on their way into the topic."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.outstanding = 0
        """Events received whose fate is not decided."""
        self.received = self.appended = self.dead_lettered = self.given_back = 0

    def receive(self, events: int) -> None:
        """They were taken from a source."""
        self.received += events
        self.outstanding += events
        self._metrics.add("ptingest_buffer_received_events_total", events)

    def append(self, events: int, size: int, seconds: float) -> None:
        """A record of ``size`` bytes is in all in-sync replicas, after ``seconds``."""
        self.appended += events
        self.outstanding -= events
        self._metrics.add("ptingest_buffer_appended_events_total", events)
        self._metrics.add("ptingest_buffer_appended_records_total")
        self._metrics.add("ptingest_buffer_appended_bytes_total", size)
        self._metrics.observe("ptingest_buffer_append_seconds", seconds)

    def dead_letter(self, events: int) -> None:
        """They are dead letters, fsynced."""
        self.dead_lettered += events
        self.outstanding -= events
        self._metrics.add("ptingest_buffer_dead_lettered_events_total", events)

    def give_back(self, events: int) -> None:
        """Their windows are not acked; the Beats send them again."""
        self.given_back += events
        self.outstanding -= events
        self._metrics.add("ptingest_buffer_given_back_events_total", events)

    def row(self) -> dict[str, int]:
        """The part of /status about it, in events."""
        return {
            "received": self.received,
            "appended": self.appended,
            "dead_lettered": self.dead_lettered,
            "given_back": self.given_back,
            "outstanding": self.outstanding,
        }

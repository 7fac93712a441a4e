"""Counts and logs what happens to the connections of a Beats port."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ptingest.errors import ProtocolError
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ConnectionCounts:
    """What one connection has received so far."""

    accepted_at: float
    bytes: int = 0
    windows: int = 0
    events: int = 0
    largest_window: int = 0
    last_window_at: float | None = None
    pipelines: bool = False
    """It has sent a window before the one before it was acked."""

    def add_window(self, events: int, now: float) -> None:
        """One more window is complete."""
        self.windows += 1
        self.last_window_at = now
        self.events += events
        self.largest_window = max(self.largest_window, events)


class BeatsRecorder:
    """The metrics ``ptingest_beats_*`` and the log lines of connections.

    A connection that sent nothing is most likely a port probe, so its lines are debug lines.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def accepted(self) -> None:
        self._metrics.add("ptingest_beats_accepted_connections_total")

    def rejected(self, peer: str, reason: str, setting: str) -> None:
        self._metrics.add("ptingest_beats_rejected_connections_total", 1, reason)
        log.warning("%s: connection refused, %s", peer, setting)

    def protocol_error(self, peer: str, error: ProtocolError) -> None:
        self._metrics.add("ptingest_beats_protocol_errors_total", 1, error.reason)
        # The reason (of a fixed set) is part of the template, since repeated lines are held back
        # by template: a peer that breaks one rule again and again must not hide another error.
        log.warning(f"%s: {error.reason}: %s", peer, error)

    def window_complete(self, events: int, odd: Sequence[str]) -> None:
        self._metrics.add("ptingest_beats_windows_total")
        self._metrics.observe("ptingest_beats_window_events", events)
        for what in odd:
            self._metrics.add("ptingest_beats_odd_windows_total", 1, what)

    def window_failed(self, peer: str, reason: str) -> None:
        label = "connection_closed" if reason.startswith("connection closed") else "not_safe"
        self._metrics.add("ptingest_beats_failed_windows_total", 1, label)
        if label == "not_safe":
            log.warning("%s: a window is not acked, the Beat will resend: %s", peer, reason)

    def acked(self, seconds: float) -> None:
        self._metrics.add("ptingest_beats_acks_total")
        self._metrics.observe("ptingest_beats_ack_seconds", seconds)

    def kept_alive(self) -> None:
        self._metrics.add("ptingest_beats_keepalives_total")

    def closing(self, peer: str, why: str, counts: ConnectionCounts) -> None:
        """We close it for a deadline."""
        level = logging.WARNING if counts.bytes else logging.DEBUG
        log.log(level, "%s: closing, %s", peer, why)

    def closed(self, peer: str, reason: str, counts: ConnectionCounts, now: float) -> None:
        self._metrics.add("ptingest_beats_closed_connections_total", 1, reason)
        self._metrics.add("ptingest_beats_received_bytes_total", counts.bytes)
        log.log(
            logging.INFO if counts.bytes else logging.DEBUG,
            "%s: closed (%s) after %.0f s, %d windows, %d events, %d bytes",
            peer,
            reason,
            now - counts.accepted_at,
            counts.windows,
            counts.events,
            counts.bytes,
        )

"""What is counted and logged of connections, and how loudly."""

from __future__ import annotations

import logging

import pytest

from ptingest.sources.beats.recorder import BeatsRecorder, ConnectionCounts
from ptingest.telemetry.metrics import Metrics


def test_windows_add_up() -> None:
    counts = ConnectionCounts(accepted_at=0.0)

    for at, events in enumerate((3, 5, 4)):
        counts.add_window(events, float(at))

    assert (counts.windows, counts.events, counts.largest_window) == (3, 12, 5)
    assert counts.last_window_at == 2.0


@pytest.mark.parametrize(
    ("received", "levels"),
    [(0, ["DEBUG", "DEBUG"]), (1, ["WARNING", "INFO"])],
    ids=["a port probe", "a Beat"],
)
def test_a_connection_that_sent_nothing_is_logged_for_debugging_only(
    received: int, levels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ptingest")
    recorder, counts = BeatsRecorder(Metrics()), ConnectionCounts(accepted_at=0.0, bytes=received)

    recorder.closing("192.0.2.1:1", "idle", counts)
    recorder.closed("192.0.2.1:1", "idle", counts, now=2.0)

    assert [record.levelname for record in caplog.records] == levels


@pytest.mark.parametrize(
    ("reason", "label", "lines"),
    [("connection closed: idle", "connection_closed", 0), ("dead letters full", "not_safe", 1)],
)
def test_a_window_lost_with_its_connection_is_no_news(
    reason: str, label: str, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()

    BeatsRecorder(metrics).window_failed("192.0.2.1:1", reason)

    assert metrics.value("ptingest_beats_failed_windows_total", label) == 1
    assert len(caplog.records) == lines

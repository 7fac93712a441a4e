"""The last hour, from counters that only grow."""

from __future__ import annotations

import pytest

from ptingest.api.console.history import KEPT_SECONDS, MAX_TROUBLES, History
from ptingest.telemetry.metrics import Metrics

RECEIVED = "ptingest_flow_received_events_total"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def history(metrics: Metrics) -> History:
    history = History(metrics)
    history.sample(1000.0)
    return history


def test_a_point_is_what_happened_between_two_samples(metrics: Metrics, history: History) -> None:
    metrics.add(RECEIVED, 500, "django")
    metrics.add("ptingest_lane_settled_events_total", 20, "store", "django", "dead_lettered")
    metrics.set("ptingest_lane_outstanding_events", 7, "store", "django")
    history.sample(1010.0)
    metrics.add(RECEIVED, 100, "django")

    first, second = history.points(1020.0)

    assert (first.rate, first.letters, first.waiting) == (50.0, 2.0, 7)
    assert (second.at, second.rate, second.letters) == (1020.0, 10.0, 0.0)


def test_ack_times_are_those_of_the_time_between_and_not_of_the_whole_life(
    metrics: Metrics, history: History
) -> None:
    for _ in range(1000):
        metrics.observe("ptingest_beats_ack_seconds", 0.004)
    history.sample(1010.0)
    for _ in range(10):
        metrics.observe("ptingest_beats_ack_seconds", 4.0)

    first, second = history.points(1020.0)

    assert first.p99 is not None
    assert first.p99 <= 0.005
    assert second.p50 is not None
    assert 2.5 <= second.p50 <= 5.0


def test_a_time_without_acks_is_a_gap(history: History) -> None:
    history.sample(1010.0)

    assert [point.p50 for point in history.points(1020.0)] == [None, None]


def test_a_rate_is_that_of_about_the_last_minute(metrics: Metrics, history: History) -> None:
    metrics.add(RECEIVED, 600, "django")
    history.sample(1060.0)
    metrics.add(RECEIVED, 60, "django")
    metrics.add(RECEIVED, 30, "celery")

    assert history.rates(1120.0) == {"django": 1.0, "celery": 0.5}


def test_a_worker_that_takes_its_counts_along_makes_no_rate_negative(metrics: Metrics) -> None:
    before, after = Metrics(), metrics
    before.add(RECEIVED, 100, "django")
    history = History(before)
    history.sample(1000.0)
    history._metrics = after

    assert [point.rate for point in history.points(1010.0)] == [0.0]
    history.sample(990.0)  # the clock was set back
    assert [point.rate for point in history.points(990.0)] == [0.0]
    assert history.rates(1010.0) == {}


def test_an_hour_is_kept_and_no_more(history: History) -> None:
    for at in range(1010, 10_000, 10):
        history.sample(float(at))

    points = history.points(9_999.0)

    assert (len(history._points), len(history._samples)) == (360, 61)
    assert points[0].at >= 9_999.0 - KEPT_SECONDS


def test_a_write_takes_as_long_as_the_histogram_says(metrics: Metrics, history: History) -> None:
    metrics.set("ptingest_lane_outstanding_events", 0, "store", "django")
    for seconds in [0.02] * 99 + [0.9]:
        metrics.observe("ptingest_lane_write_seconds", seconds, "store")

    p50, p99 = history.write_seconds("store", 1010.0)

    assert p50 is not None
    assert 0.01 <= p50 <= 0.025
    assert p99 is not None
    assert p99 <= 0.025


def test_the_last_trouble_of_a_sink_is_remembered_when_it_is_over(history: History) -> None:
    history.note_troubles({"elasticsearch": "401", "store": None}, 1010.0)
    history.note_troubles({"elasticsearch": None, "store": None}, 1020.0)

    assert history.troubles["elasticsearch"] == ("401", 1010.0)
    assert "store" not in history.troubles


def test_only_so_many_troubles_are_remembered(history: History) -> None:
    history.note_troubles({f"sink {number}": "no" for number in range(100)}, 1010.0)

    assert len(history.troubles) == MAX_TROUBLES


def test_the_share_of_processors_is_over_about_a_minute(history: History) -> None:
    assert history.cpu_share(0.0, 1000.0) is None

    for number in range(20):
        history.note_cpu(number * 5.0, 1000.0 + number * 10)

    assert history.cpu_share(97.5, 1195.0) == pytest.approx(0.5)
    assert history.cpu_share(0.0, 1195.0) == 0.0  # a worker was replaced
    assert history.cpu_share(97.5, 1130.0) is None


def test_rates_of_kafka_are_those_of_the_last_minute(history: History) -> None:
    history.note_kafka({"source logs": (100, 90)}, 1000.0)
    history.note_kafka({"source logs": (200, 180)}, 1010.0)

    assert history.kafka_rates("source logs", 300, 190, 1020.0) == (10.0, 5.0)
    assert history.kafka_rates("source logs", 0, 0, 1020.0) == (0.0, 0.0)
    assert history.kafka_rates("to other", 300, 190, 1020.0) == (None, None)
    assert history.kafka_rates("source logs", 300, 190, 1001.0) == (None, None)

"""The table of metrics, and the counters of one process."""

from __future__ import annotations

import re

import pytest

from ptingest.telemetry.metrics import METRICS, Metric, Metrics

ROOMS = {
    "buffer",
    "kafka",
    "flow",
    "lane",
    "pipeline",
    "budget",
    "beats",
    "dead_letters",
    "worker",
    "supervisor",
    "elasticsearch",
    "store",
    "ndjson",
}
# Each value comes from config, from a fixed table, or from us: never free text from events.
BOUNDED_LABELS = {
    *(
        "service",
        "sink",
        # Topics that the config names or its patterns find; partitions beyond 256 are one.
        "topic",
        "partition",
        "result",
        "reason",
        "fate",
        "what",
        "status",
        "outcome",
        "version",
        "setting",
        "worker",
        "plugin",
        "name",
    )
}


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_every_row_keeps_the_rules_of_names(row: Metric) -> None:
    name = re.fullmatch(r"ptingest_(.+?)_[a-z_]+", row.name)

    assert name is not None
    assert any(row.name.startswith(f"ptingest_{room}_") for room in ROOMS)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert set(row.labels) <= BOUNDED_LABELS
    assert row.help


def test_no_name_is_given_twice() -> None:
    names = [row.name for row in METRICS]

    assert len(names) == len(set(names))


def test_what_is_counted_can_be_read() -> None:
    metrics = Metrics()

    metrics.add("ptingest_flow_received_events_total", 2, "django")
    metrics.add("ptingest_flow_received_events_total", 3, "django")
    metrics.set("ptingest_budget_limit_bytes", 7)

    assert metrics.value("ptingest_flow_received_events_total", "django") == 5
    assert metrics.value("ptingest_flow_received_events_total", "nginx") == 0
    assert metrics.value("ptingest_budget_limit_bytes") == 7


def test_labels_come_in_the_order_of_the_table() -> None:
    metrics = Metrics()
    metrics.add("ptingest_lane_settled_events_total", 4, "store", "django", "stored")

    assert list(metrics.labelled("ptingest_lane_settled_events_total")) == [
        (("store", "django", "stored"), 4.0)
    ]


def test_gauges_are_brought_up_to_date_when_asked() -> None:
    metrics = Metrics()
    metrics.before_scrape(lambda: metrics.set("ptingest_beats_open_connections", 3))

    metrics.refresh()

    assert metrics.value("ptingest_beats_open_connections") == 3


def test_a_gauge_that_is_set_to_a_truth_is_a_number() -> None:
    metrics = Metrics()

    metrics.set("ptingest_beats_open_connections", True)

    (values,) = [one.values for one in metrics.samples() if one.values[0]]
    assert type(values[0]) is float


def test_a_label_too_few_is_a_bug() -> None:
    with pytest.raises(ValueError, match="service"):
        Metrics().add("ptingest_flow_received_events_total")


def test_a_name_that_is_not_in_the_table_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Metrics().add("ptingest_flow_invented_events_total")


def test_two_books_do_not_share_their_numbers() -> None:
    one, other = Metrics(), Metrics()

    one.add("ptingest_beats_windows_total")

    assert other.value("ptingest_beats_windows_total") == 0


def test_the_buckets_of_a_histogram_are_added_up_to_each_bound() -> None:
    metrics = Metrics()
    assert metrics.buckets("ptingest_beats_ack_seconds") == []

    for seconds in (0.001, 0.007, 0.007, 1e6):
        metrics.observe("ptingest_beats_ack_seconds", seconds)
    buckets = metrics.buckets("ptingest_beats_ack_seconds")

    assert buckets[:3] == [(0.005, 1), (0.01, 3), (0.025, 3)]
    assert buckets[-1] == (float("inf"), 4)


def test_a_gauge_that_is_set_to_a_bool_is_sampled_as_a_number() -> None:
    metrics = Metrics()

    metrics.set("ptingest_worker_is_ready", True)

    (sample,) = [one for one in metrics.samples() if one.name == "ptingest_worker_is_ready"]
    assert [type(value) for value in sample.values] == [float]

"""The counters as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from ptingest.telemetry.exposition import exposition
from ptingest.telemetry.metrics import METRICS, Metrics


def lines(metrics: Metrics) -> list[str]:
    return exposition(metrics).decode().splitlines()


def test_what_is_counted_is_shown_by_labels() -> None:
    metrics = Metrics()
    metrics.add("ptingest_flow_received_events_total", 5, "django")
    metrics.add("ptingest_flow_received_events_total", 2, 'a "name"\nof two lines')
    metrics.set("ptingest_budget_limit_bytes", 7)

    found = lines(metrics)

    assert 'ptingest_flow_received_events_total{service="django"} 5.0' in found
    assert r'ptingest_flow_received_events_total{service="a \"name\"\nof two lines"} 2.0' in found
    assert "ptingest_budget_limit_bytes 7.0" in found


def test_observations_fall_into_the_buckets_of_the_row() -> None:
    metrics = Metrics()
    metrics.observe("ptingest_beats_window_events", 2000)
    metrics.observe("ptingest_beats_window_events", 2001)
    metrics.observe("ptingest_beats_window_events", 1e9)

    found = lines(metrics)

    assert 'ptingest_beats_window_events_bucket{le="1000.0"} 0.0' in found
    assert 'ptingest_beats_window_events_bucket{le="2000.0"} 1.0' in found
    assert 'ptingest_beats_window_events_bucket{le="4000.0"} 2.0' in found
    assert 'ptingest_beats_window_events_bucket{le="+Inf"} 3.0' in found
    assert "ptingest_beats_window_events_count 3.0" in found
    assert "ptingest_beats_window_events_sum 1.000004001e+09" in found


def test_every_metric_is_described_and_one_without_labels_begins_at_nothing() -> None:
    text = exposition(Metrics()).decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}

    for row in METRICS:
        family = families[row.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (row.kind, row.help)
        assert bool(family.samples) is not bool(row.labels)
        assert all(sample.value == 0.0 for sample in family.samples)


def test_gauges_are_brought_up_to_date_before_a_scrape() -> None:
    metrics = Metrics()
    metrics.before_scrape(lambda: metrics.set("ptingest_beats_open_connections", 3))

    assert "ptingest_beats_open_connections 3.0" in lines(metrics)

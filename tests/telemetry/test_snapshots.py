"""The metrics of several processes as one."""

from __future__ import annotations

import pytest

from ptingest.telemetry.exposition import exposition
from ptingest.telemetry.metrics import METRICS, Metrics, MetricSample
from ptingest.telemetry.snapshots import merge, retire

RECEIVED = "ptingest_flow_received_events_total"
ACK = "ptingest_beats_ack_seconds"


def merged(*parts: Metrics) -> Metrics:
    whole = Metrics()
    whole.show(merge([part.samples() for part in parts]))
    return whole


def test_a_picture_of_one_process_says_what_it_says() -> None:
    one = Metrics()
    one.add(RECEIVED, 3, "django")
    one.set("ptingest_budget_outstanding_bytes", 7)
    for seconds in (0.001, 0.3, 1000.0):
        one.observe(ACK, seconds)

    def said(metrics: Metrics) -> list[bytes]:
        lines = exposition(metrics).splitlines()
        return [line for line in lines if b"_created" not in line]

    assert said(merged(one)) == said(one)


def test_counters_and_histograms_are_added_up() -> None:
    a, b = Metrics(), Metrics()
    a.add(RECEIVED, 3, "django")
    b.add(RECEIVED, 4, "django")
    b.add(RECEIVED, 5, "nginx")
    a.observe(ACK, 0.001)
    b.observe(ACK, 0.001)
    b.observe(ACK, 0.3)

    whole = merged(a, b)

    assert dict(whole.labelled(RECEIVED)) == {("django",): 7, ("nginx",): 5}
    text = exposition(whole)
    assert b'ptingest_beats_ack_seconds_bucket{le="0.005"} 2.0' in text
    assert b"ptingest_beats_ack_seconds_count 3.0" in text


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        pytest.param("ptingest_budget_outstanding_bytes", 5, id="bytes add up"),
        pytest.param("ptingest_beats_open_connections", 5, id="connections add up"),
        pytest.param("ptingest_beats_oldest_window_seconds", 3, id="the oldest counts"),
        pytest.param("ptingest_dead_letters_bytes", 3, id="all look into the same folder"),
        pytest.param("ptingest_worker_loop_lag_seconds", 3, id="the longest pause counts"),
        pytest.param("ptingest_worker_config_is_current", 2, id="one that is not is enough"),
    ],
)
def test_each_gauge_comes_to_what_fits_it(name: str, whole: float) -> None:
    a, b = Metrics(), Metrics()
    a.set(name, 2)
    b.set(name, 3)

    assert merged(a, b).value(name) == whole


def test_a_gauge_that_a_process_never_set_says_nothing_of_it() -> None:
    a = Metrics()
    a.set("ptingest_worker_config_is_current", 1)

    assert merged(a, Metrics()).value("ptingest_worker_config_is_current") == 1


def test_what_is_gone_shows_as_0() -> None:
    a, b = Metrics(), Metrics()
    b.set("ptingest_lane_in_flight", 3, "store")
    whole = merged(a, b)

    whole.show(merge([a.samples()]))

    assert dict(whole.labelled("ptingest_lane_in_flight")) == {("store",): 0}


def test_of_a_process_that_is_gone_everything_stays_but_its_gauges() -> None:
    gone = Metrics()
    gone.add(RECEIVED, 3, "django")
    gone.observe(ACK, 0.3)
    gone.set("ptingest_budget_outstanding_bytes", 7)

    names = [sample.name for sample in retire(gone.samples())]

    assert names == [RECEIVED, ACK]


def test_merging_changes_no_part() -> None:
    part = [MetricSample(RECEIVED, ("django",), [3.0])]

    merge([part, part])

    assert part == [MetricSample(RECEIVED, ("django",), [3.0])]


def test_only_gauges_need_to_say_what_several_come_to() -> None:
    assert [row.name for row in METRICS if row.kind != "gauge" and row.merge != "sum"] == []

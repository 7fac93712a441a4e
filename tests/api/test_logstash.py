"""Logstash's paths: its shapes, our numbers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ptingest.api.logstash import LogstashView, NodeFacts
from ptingest.telemetry.metrics import Metrics
from tests.support.api import NODE

NODE_STATS = {
    "host": str, "version": str, "http_address": str, "id": str, "name": str,
    "ephemeral_id": str, "snapshot": bool, "status": str,
    "pipeline.workers": int, "pipeline.batch_size": int, "pipeline.batch_delay": int,
    "jvm.uptime_in_millis": int, "jvm.threads.count": int, "jvm.gc.collectors": dict,
    "jvm.mem.heap_max_in_bytes": int, "jvm.mem.heap_used_in_bytes": int,
    "jvm.mem.heap_used_percent": int,
    "process.open_file_descriptors": int, "process.max_file_descriptors": int,
    "process.cpu.percent": int, "process.cpu.load_average.1m": float,
    "process.cpu.total_in_millis": int, "process.mem.total_virtual_in_bytes": int,
    "events.in": int, "events.filtered": int, "events.out": int,
    "events.duration_in_millis": int, "queue.events_count": int,
    "reloads.successes": int, "reloads.failures": int, "os": dict,
    "flow.input_throughput.lifetime": float, "flow.output_throughput.lifetime": float,
    "pipelines.main.hash": str, "pipelines.main.ephemeral_id": str,
    "pipelines.main.vertices": list, "pipelines.main.events.in": int,
    "pipelines.main.queue.type": str, "pipelines.main.queue.events_count": int,
    "pipelines.main.queue.queue_size_in_bytes": int,
    "pipelines.main.queue.max_queue_size_in_bytes": int,
    "pipelines.main.dead_letter_queue.queue_size_in_bytes": int,
    "pipelines.main.plugins.inputs": list, "pipelines.main.plugins.codecs": list,
    "pipelines.main.plugins.filters": list, "pipelines.main.plugins.outputs": list,
}  # fmt: skip
"""Keys and types as Metricbeat's logstash module decodes them (node_stats/data.go)."""


def view_of(metrics: Metrics, reasons: list[str] | None = None) -> LogstashView:
    return LogstashView(NODE, metrics, lambda: reasons or [], http_address="127.0.0.1:9600")


def as_json(answer: object) -> Any:
    return orjson.loads(orjson.dumps(answer))


def at(answer: Any, path: str) -> Any:
    for key in path.split("."):
        answer = answer[key]
    return answer


@pytest.fixture
def busy() -> Metrics:
    """100 django events came in: 10 of another group, 5 unmatched, 3 undated, 2 refused."""
    metrics = Metrics()
    metrics.add("ptingest_flow_received_events_total", 100, "django")
    metrics.add("ptingest_flow_dropped_events_total", 10, "django", "other_group")
    metrics.add("ptingest_pipeline_noted_events_total", 5, "django", "grok_failure")
    metrics.add("ptingest_pipeline_noted_events_total", 3, "django", "date_failure")
    metrics.add("ptingest_pipeline_seconds_total", 1.5)
    settled = "ptingest_lane_settled_events_total"
    metrics.add(settled, 10, "elasticsearch", "django", "dropped")
    metrics.add(settled, 70, "elasticsearch", "django", "stored")
    metrics.add(settled, 6, "elasticsearch", "django", "already_stored")
    metrics.add(settled, 2, "elasticsearch", "django", "dead_lettered")
    metrics.add(settled, 4, "elasticsearch", "django", "given_back")
    metrics.set("ptingest_lane_outstanding_events", 8, "elasticsearch", "django")
    metrics.add("ptingest_elasticsearch_answers_total", 9, "200")
    metrics.add("ptingest_elasticsearch_answers_total", 1, "429")
    metrics.set("ptingest_beats_open_connections", 3)
    return metrics


@pytest.mark.parametrize(("path", "kind"), NODE_STATS.items())
def test_node_stats_hold_what_metricbeat_decodes(path: str, kind: type) -> None:
    stats = as_json(view_of(Metrics()).node_stats())

    assert type(at(stats, path)) is kind


def test_events_are_in_filtered_and_out(busy: Metrics) -> None:
    stats = as_json(view_of(busy).node_stats())

    assert stats["events"] == {"in": 100, "filtered": 100, "out": 88, "duration_in_millis": 1500}
    assert stats["queue"] == {"events_count": 8}


def test_filters_tell_matches_and_failures(busy: Metrics) -> None:
    stats = as_json(view_of(busy).pipeline_stats())

    filters = {one["name"]: one for one in at(stats, "pipelines.main.plugins.filters")}
    assert (filters["grok"]["matches"], filters["grok"]["failures"]) == (85, 5)
    assert (filters["date"]["matches"], filters["date"]["failures"]) == (82, 3)


def test_an_output_tells_what_was_stored_and_what_was_not(busy: Metrics) -> None:
    (output,) = at(as_json(view_of(busy).pipeline_stats()), "pipelines.main.plugins.outputs")

    assert output["events"] == {"in": 86, "out": 76}
    assert output["documents"]["dlq_routed"] == 2
    assert output["bulk_requests"]["responses"] == {"200": 9, "429": 1}


def test_the_slowest_of_several_sinks_decides_what_is_out(busy: Metrics) -> None:
    facts = NodeFacts(**{**{f: getattr(NODE, f) for f in NODE.__slots__},
                         "sinks": ("elasticsearch", "store")})  # fmt: skip
    busy.add("ptingest_lane_settled_events_total", 1, "store", "django", "stored")
    view = LogstashView(facts, busy, list, http_address="127.0.0.1:9600")

    assert at(as_json(view.node_stats()), "events.out") == 1


def test_the_input_tells_its_connections(busy: Metrics) -> None:
    (beats,) = at(as_json(view_of(busy).pipeline_stats()), "pipelines.main.plugins.inputs")

    assert beats == {"id": "beats", "name": "beats", "events": {"out": 100},
                     "current_connections": 3}  # fmt: skip


def test_reloads_are_counted_as_they_ended() -> None:
    metrics = Metrics()
    metrics.add("ptingest_worker_reloads_total", 2, "done")
    metrics.add("ptingest_worker_reloads_total", 1, "refused")

    stats = as_json(view_of(metrics).node_stats())

    assert stats["reloads"] == {"successes": 2, "failures": 1}


def test_a_ready_node_is_green() -> None:
    report = as_json(view_of(Metrics()).health())

    assert report["status"] == "green"
    assert at(report, "indicators.pipelines.indicators.main.status") == "green"
    assert at(report, "indicators.pipelines.indicators.main.diagnosis") == []


def test_each_reason_not_to_be_ready_is_a_diagnosis() -> None:
    report = as_json(view_of(Metrics(), ["sink elasticsearch: 401", "draining"]).health())

    main = at(report, "indicators.pipelines.indicators.main")
    assert report["status"] == main["status"] == "red"
    assert [one["cause"] for one in main["diagnosis"]] == ["sink elasticsearch: 401", "draining"]
    assert all(one["action"] for one in main["diagnosis"])
    assert main["impacts"][0]["impact_areas"] == ["pipeline_execution"]


def test_nearly_full_memory_is_yellow() -> None:
    metrics = Metrics()
    metrics.set("ptingest_budget_limit_bytes", 100)
    metrics.set("ptingest_budget_outstanding_bytes", 96)

    report = as_json(view_of(metrics).health())

    assert report["status"] == "yellow"


def test_the_root_names_the_shapes_and_ourselves() -> None:
    root = as_json(view_of(Metrics()).root({"/livez": "lives"}))

    assert root["version"].startswith("8.")
    assert root["ptingest"] == {"version": "0.1.0", "paths": {"/livez": "lives"}}


def test_pipeline_settings_are_those_of_logstash() -> None:
    answer = as_json(view_of(Metrics()).pipelines())

    main = at(answer, "pipelines.main")
    assert (main["workers"], main["batch_size"], main["batch_delay"]) == (1, 4096, 100)
    assert main["dead_letter_queue_enabled"] is True


def test_a_sample_makes_current_rates_possible(busy: Metrics) -> None:
    view = view_of(busy)
    view._started -= 100
    view._rates.record(view._started + 50, (0.0, 0.0, 0.0, 0.0))

    flow = at(as_json(view.node_stats()), "flow")

    assert "current" in flow["input_throughput"]


METADATA = {
    "host", "version", "http_address", "id", "name", "ephemeral_id", "snapshot", "status",
    "pipeline",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("stats/jvm", {"jvm"}),
        ("stats/process", {"process"}),
        ("stats/pipelines", {"pipelines"}),
        ("stats/pipelines/", {"pipelines"}),
        ("stats/pipelines/main", {"pipelines"}),
        ("stats/process,pipelines", {"process", "pipelines"}),
        ("stats/ events , flow ,", {"events", "flow"}),
        ("stats/jvm,nothing", {"jvm"}),
        ("stats/os,queue,reloads", {"os", "queue", "reloads"}),
        ("stats/,", {"jvm", "process", "events", "flow", "pipelines", "reloads", "os", "queue"}),
        ("os", {"os"}),
        ("os,jvm", {"os", "jvm"}),
        ("pipelines", {"pipelines"}),
        ("pipelines/main", {"pipelines"}),
        ("", {"pipelines", "os", "jvm"}),
    ],
)
def test_types_choose_the_parts(path: str, parts: set[str]) -> None:
    answer = as_json(view_of(Metrics()).below_node(path))

    assert answer.keys() == METADATA | parts


def test_a_part_alone_is_the_part_of_the_whole(busy: Metrics) -> None:
    view = view_of(busy)
    whole = as_json(view.node_stats())

    for part in ("events", "pipelines", "queue", "reloads"):
        assert as_json(view.below_node(f"stats/{part}"))[part] == whole[part]


@pytest.mark.parametrize(
    "path",
    ["stats/nothing", "stats/JVM", "stats/a,b", "stats/pipelines/other", "stats/jvm/x", "nothing",
     "pipelines/other", "process", "a/b/c"],
)  # fmt: skip
def test_what_logstash_does_not_have_is_not_found(path: str) -> None:
    assert view_of(Metrics()).below_node(path) is None


def test_the_filters_of_a_logstash_config_are_there_by_their_ids() -> None:
    metrics = Metrics()
    for plugin, name, counts in (("g", "grok", (5, 5, 2)), ("d", "drop", (5, 1, 0))):
        for what, count in zip(("in", "out", "failures"), counts, strict=True):
            metrics.add("ptingest_pipeline_plugin_events_total", count, plugin, name, what)

    found = at(view_of(metrics).pipeline_stats(), "pipelines.main.plugins.filters")

    assert found == [
        {"id": "g", "name": "grok", "events": {"in": 5, "out": 5}, "matches": 3, "failures": 2},
        {"id": "d", "name": "drop", "events": {"in": 5, "out": 1}},
    ]

from __future__ import annotations

from typing import Any

import pytest

from ptingest.doctor.server_facts import ServerFacts
from ptingest.doctor.traffic import active_services, findings_of_traffic, headline, health
from ptingest.model.finding import Finding

Metrics = dict[str, dict[tuple[str, ...], float]]

RECEIVED = "ptingest_flow_received_events_total"
NOTED = "ptingest_pipeline_noted_events_total"
ACCEPTED = "ptingest_beats_accepted_connections_total"
CLOSED = "ptingest_beats_closed_connections_total"


def findings_from(metrics: Metrics | None = None, **status: Any) -> list[Finding]:
    facts = ServerFacts("http://here", status=status, metrics=metrics or {}, asked_at=1000.0)
    return list(findings_of_traffic(facts))


def said(findings: list[Finding], subject: str) -> Finding:
    (found,) = [finding for finding in findings if finding.subject == subject]
    return found


def test_when_nobody_connected_the_road_to_here_is_looked_at() -> None:
    found = said(findings_from(listening="0.0.0.0:5044", uptime_seconds=3600.0), "events arrive")

    assert found.mark == "warning"
    assert "0.0.0.0:5044" in found.found
    assert "output.logstash.hosts" in found.cure
    assert "elk-net" in found.cure


def test_when_connections_bring_nothing_the_protocol_is_looked_at() -> None:
    metrics: Metrics = {
        ACCEPTED: {(): 3.0},
        "ptingest_beats_protocol_errors_total": {("looks_like_tls",): 3.0},
    }

    found = said(findings_from(metrics), "events arrive")

    assert found.mark == "warning"
    assert "TLS" in found.cure


@pytest.mark.parametrize(
    ("came", "uptime", "mark", "seen"),
    [
        (0, 5.0, "note", "no Beat has connected to None yet"),
        (1, 5.0, "note", "1 connection came, no event with it yet"),
        (3, 5.0, "note", "3 connections came, no event with them yet"),
        (1, 3600.0, "warning", "1 connection came, no event with it"),
        (9, 3600.0, "warning", "9 connections came, no event with them"),
    ],
)
def test_connections_without_events_and_without_errors_weigh_by_how_long_we_have_waited(
    came: int, uptime: float, mark: str, seen: str
) -> None:
    found = said(findings_from({ACCEPTED: {(): came}}, uptime_seconds=uptime), "events arrive")

    assert (found.mark, found.found) == (mark, seen)


def test_events_are_told_by_service() -> None:
    found = said(findings_from({RECEIVED: {("django",): 2.0, ("nginx",): 1.0}}), "events arrive")

    assert found.mark == "ok"
    assert found.found == "3 events: django 2, nginx 1"


def test_fields_one_level_too_low_are_a_problem_with_one_line_for_a_cure() -> None:
    metrics: Metrics = {
        RECEIVED: {("other",): 10.0},
        NOTED: {("other", "fields_not_under_root"): 10.0},
        "ptingest_flow_dropped_events_total": {("other_group", "other"): 10.0},
    }

    findings = findings_from(metrics)

    assert "fields_under_root: true" in said(findings, "fields under root").cure
    dropped = said(findings, "dropped by rule")
    assert dropped.mark == "problem"
    assert "10 other_group" in dropped.found


def test_some_dropped_events_are_no_problem() -> None:
    metrics: Metrics = {
        RECEIVED: {("django",): 10.0},
        "ptingest_flow_dropped_events_total": {("no_service", "other"): 1.0},
    }

    found = said(findings_from(metrics), "dropped by rule")

    assert (found.mark, "service: <name>" in found.cure) == ("note", True)


def test_parse_failures_are_told_with_shape_and_nearest_pattern() -> None:
    shapes = [
        {"shape": "a 0", "sampled": 7, "nearest_pattern": "plain_time", "missing": "`|`"},
        {"shape": "-", "sampled": 1, "nearest_pattern": None, "missing": None},
    ]
    metrics: Metrics = {RECEIVED: {("django",): 100.0}, NOTED: {("django", "grok_failure"): 50.0}}
    services = {"django": {"unmatched": {"sampled": 8, "shapes": shapes}}}

    found = said(findings_from(metrics, services=services), "parsing django")

    assert found.mark == "warning"
    assert "50 of 100 (50 %)" in found.found
    assert "7 x `a 0` (nearest: plain_time, lacks `|`); 1 x `-`" in found.found
    assert "multiline" in found.cure


def test_a_packaged_pattern_that_would_fit_is_told_with_how_to_switch_it_on() -> None:
    row = {"shape": "0", "sampled": 7, "nearest_pattern": "nginx_access", "is_off": True}
    metrics: Metrics = {RECEIVED: {("nginx",): 9.0}, NOTED: {("nginx", "grok_failure"): 9.0}}

    found = said(
        findings_from(metrics, services={"nginx": {"unmatched": {"sampled": 7, "shapes": [row]}}}),
        "parsing nginx",
    )

    assert "7 x `0` (fits nginx_access, which is switched off)" in found.found
    assert found.cure == (
        "a pattern for this is packaged, switched off: add `- nginx_access` to the profile's "
        "patterns (`ptingest profile` prints the packaged one; `profile:` in the config names "
        "yours)"
    )


def test_few_parse_failures_are_a_note() -> None:
    metrics: Metrics = {RECEIVED: {("django",): 9e6}, NOTED: {("django", "grok_failure"): 1.0}}

    assert said(findings_from(metrics), "parsing django").mark == "note"


def test_a_service_none_of_whose_lines_fits_has_a_format_of_its_own() -> None:
    metrics: Metrics = {RECEIVED: {("nginx",): 9.0}, NOTED: {("nginx", "grok_failure"): 9.0}}

    assert "nginx writes a format of its own" in said(findings_from(metrics), "parsing nginx").cure


def test_times_that_cannot_be_read_are_told_with_the_option_that_reads_them() -> None:
    metrics: Metrics = {RECEIVED: {("celery",): 9.0}, NOTED: {("celery", "date_failure"): 3.0}}

    assert "timestamp_precision: full" in said(findings_from(metrics), "times of celery").cure


@pytest.mark.parametrize(
    ("lag", "cure"),
    [
        pytest.param(-7200.5, "timezone", id="whole hours are a zone"),
        pytest.param(-900.0, "chronyc", id="anything else is a clock"),
    ],
)
def test_events_from_the_future_name_the_likely_reason(lag: float, cure: str) -> None:
    found = said(findings_from(services={"django": {"last_lag_seconds": lag}}), "clock")

    assert found.mark == "warning"
    assert cure in found.cure


def test_old_events_are_a_backlog_and_no_fault() -> None:
    assert (
        said(findings_from(services={"django": {"last_lag_seconds": 86_400.0}}), "clock").mark
        == "ok"
    )


def test_dead_letters_are_told_by_reason_with_their_cures() -> None:
    metrics: Metrics = {
        "ptingest_flow_dead_lettered_events_total": {
            ("illegal_data_stream", "other"): 2.0,
            ("mapping", "django"): 3.0,
        }
    }

    found = said(findings_from(metrics, dead_letters={"waiting": 5}), "dead letters")

    assert (found.mark, "3 mapping, 2 illegal_data_stream" in found.found) == ("warning", True)
    assert "lower case" in found.cure
    assert "ptingest setup" in found.cure


def test_reasons_why_it_is_not_ready_are_problems() -> None:
    findings = findings_from(not_ready_because=["sink elasticsearch: no answer", "draining"])

    assert [(one.mark, one.found) for one in findings if one.subject == "not ready"] == [
        ("problem", "sink elasticsearch: no answer"),
        ("problem", "draining"),
    ]


@pytest.mark.parametrize(
    ("is_open", "fate", "cure"),
    [
        (False, "logs-celery-pt wait: forbidden: no", "tried again by themselves"),
        (True, "logs-celery-pt go to the dead letters: forbidden: no", "dead-letters requeue"),
    ],
)
def test_a_data_stream_in_trouble_is_told_also_while_the_server_is_ready(
    is_open: bool, fate: str, cure: str
) -> None:
    row = {"data_stream": "logs-celery-pt", "reason": "forbidden", "detail": "no"}
    findings = findings_from(
        not_ready_because=[],
        lanes={"elasticsearch": {"troubled_streams": [{**row, "is_open": is_open}]}},
    )

    (found,) = [one for one in findings if one.subject == "data stream"]
    assert found.mark == "problem"
    assert fate in found.found
    assert cure in found.cure


@pytest.mark.parametrize(("days", "mark"), [(-1.0, "problem"), (5.0, "warning"), (90.0, "ok")])
def test_a_certificate_is_told_in_time(days: float, mark: str) -> None:
    expires = 1000.0 + days * 86_400
    found = findings_from({"ptingest_worker_certificate_expiry_seconds": {("beats.tls",): expires}})

    assert said(found, "certificate").mark == mark


def test_books_out_of_balance_are_a_bug_and_said_so() -> None:
    books = {"store": {"django": {"residue": -2}, "nginx": {"residue": 0}}}

    found = said(findings_from(books=books), "books")

    assert (found.mark, "bug" in found.cure) == ("problem", True)
    assert found.found == "they do not balance: django by -2 in store (events)"


def test_a_window_that_waits_long_points_to_the_sinks() -> None:
    found = said(findings_from({"ptingest_beats_oldest_window_seconds": {(): 120.0}}), "acks")

    assert "sinks" in found.cure


def test_services_with_stored_documents_are_expected_in_elasticsearch() -> None:
    settled: Metrics = {
        "ptingest_lane_settled_events_total": {
            ("stored", "django", "elasticsearch"): 1.0,
            ("dead_lettered", "celery", "elasticsearch"): 1.0,
            ("stored", "other", "elasticsearch"): 1.0,
        }
    }

    assert active_services(ServerFacts("h", metrics=settled)) == {"django"}


def worker(number: int, state: str = "running", restarts: int = 0, end: str | None = None) -> Any:
    return {
        "worker": number, "state": state, "restarts": restarts, "last_end": end, "connections": 3,
    }  # fmt: skip


def test_several_workers_that_run_and_stayed_are_well() -> None:
    found = said(findings_from(workers=[worker(1), worker(2)]), "workers")

    assert (found.mark, found.found) == ("ok", "2 run, connections 3, 3")


def test_a_worker_that_is_away_or_came_back_is_worth_a_look() -> None:
    rows = [
        worker(1, "waiting", end="was killed by SIGKILL"),
        worker(2, restarts=3, end="said nothing for 20 s and was killed"),
    ]

    found = [one for one in findings_from(workers=rows) if one.subject == "workers"]

    assert [one.mark for one in found] == ["warning", "warning"]
    assert "worker 1 of 2 is waiting; the last one was killed by SIGKILL" in found[0].found
    assert "worker 2 was started again 3 times" in found[1].found
    assert "out of memory" in found[1].cure


def test_one_worker_without_a_supervisor_needs_no_word() -> None:
    assert [one for one in findings_from() if one.subject == "workers"] == []


SETTLED = "ptingest_lane_settled_events_total"


def in_failure_store(count: float, **row: Any) -> Finding:
    metrics: Metrics = {
        RECEIVED: {("nginx",): 200.0, ("django",): 50.0},
        SETTLED: {
            ("failure_stored", "nginx", "elasticsearch"): count,
            ("stored", "django", "elasticsearch"): 50.0,
        },
    }
    rows = {"logs-nginx-pt": {"service": "nginx", "documents": count, **row}} if row else {}
    return said(findings_from(metrics, failure_store=rows), "failure store")


def test_events_in_a_failure_store_are_a_warning_with_share_reason_and_query() -> None:
    found = in_failure_store(200.0, last_seconds_ago=3.0, reason="document_parsing_exception: host")

    assert found.mark == "warning"
    assert found.found.startswith("200 of 200 (100 %) events of nginx are in a failure store")
    assert "document_parsing_exception: host" in found.found
    assert "GET logs-nginx-pt::failures/_search" in found.cure


def test_a_service_whose_stream_nobody_remembers_is_a_warning_as_well() -> None:
    found = in_failure_store(1.0)

    assert found.mark == "warning"
    assert "::failures/_search" in found.cure


def test_events_that_went_there_long_ago_are_a_note() -> None:
    assert in_failure_store(200.0, last_seconds_ago=7200.0, reason="").mark == "note"


def test_nothing_in_a_failure_store_is_well() -> None:
    assert in_failure_store(0.0).mark == "ok"


@pytest.mark.parametrize(
    ("status", "subject", "named"),
    [
        ({"certificates": {"trouble": "no key"}}, "certificate", "no key"),
        ({"config": {"last_error": "line 3"}}, "config", "line 3"),
        ({"config": {"waiting_for_restart": ["data_dir"]}}, "config", "data_dir"),
    ],
)
def test_what_a_reload_left_undone_is_a_warning(
    status: dict[str, Any], subject: str, named: str
) -> None:
    found = said(findings_from(**status), subject)

    assert found.mark == "warning"
    assert named in found.found
    assert found.cure


WELL: dict[str, Any] = {"uptime_seconds": 3600.0, "loop_lag_seconds": 0.01}
HEALTHY: Metrics = {RECEIVED: {("django",): 2.0}, CLOSED: {("window_timeout",): 1.0}}


@pytest.mark.parametrize(
    ("status", "title", "subjects"),
    [
        ({}, "All is well", []),
        ({"loop_lag_seconds": 2.0}, "Events are taken and kept safe", ["event loop"]),
        (
            {"loop_lag_seconds": 2.0, "not_ready_because": ["sink store: no"]},
            "Not all is well",
            ["not ready", "event loop"],
        ),
    ],
    ids=["well", "a warning", "a problem"],
)
def test_health_is_the_problems_then_the_warnings(
    status: dict[str, Any], title: str, subjects: list[str]
) -> None:
    facts = ServerFacts("http://here", status=WELL | status, metrics=HEALTHY, asked_at=1000.0)

    found = health(facts)

    assert headline(found) == title
    assert [one.subject for one in found] == subjects


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("buffer: no broker answers (refused)", "goes on by itself when Kafka takes records"),
        ("worker 2: buffer: no broker answers (refused)", "goes on by itself when Kafka takes"),
        ("source kafka: topic logs does not exist", "Kafka keeps what is not committed"),
        ("worker 1: dead letters: full", "their windows are not acked"),
    ],
)
def test_each_reason_has_the_cure_of_its_kind_whoever_has_it(reason: str, cure: str) -> None:
    found = said(findings_from(not_ready_because=[reason]), "not ready")

    assert (found.mark, found.found) == ("problem", reason)
    assert cure in found.cure


def test_an_indexer_waits_for_kafka_and_not_for_beats() -> None:
    found = findings_from(role="index", kafka={"buffer": {"partitions": 2}})

    arrivals = said(found, "events arrive")
    assert (arrivals.mark, arrivals.found) == ("note", "none was read from Kafka yet")
    assert said(found, "ready").found == "ready to read from Kafka"
    assert not any("Beat" in one.sentence for one in found)


def test_events_of_a_receiver_arrive_for_the_buffer() -> None:
    metrics: Metrics = {"ptingest_buffer_received_events_total": {(): 5.0}, ACCEPTED: {(): 1.0}}

    found = said(findings_from(metrics, role="receive"), "events arrive")

    assert (found.mark, found.found) == ("ok", "5 events for the buffer")


def test_books_of_the_buffer_that_do_not_balance_are_a_problem() -> None:
    found = said(findings_from(buffer={"events": {"received": 3, "appended": 2}}), "books")

    assert found.mark == "problem"
    assert "the buffer by 1" in found.found

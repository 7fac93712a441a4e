"""Where an event goes."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.outputs import Target
from ptingest.pipeline.logstash.values import Timestamp
from tests.pipeline.logstash.running import NOW, program

TIME = Timestamp(NOW)  # 2026-01-02


def routed(body: str, *, has_ecs: bool = True, **fields: Any) -> tuple[Target, Event]:
    event = new_event({"@timestamp": TIME, **fields}, now_ns=NOW)
    (result,) = program(f"output {{ {body} }}", has_ecs=has_ecs).run(event)
    (target,) = result.targets
    return target, result.event


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("", "logs-generic-default"),
        ('data_stream => "true" data_stream_dataset => "web"', "logs-web-default"),
        ("pipeline => p1 routing => r1 action => create", "logs-generic-default"),
        ('index => "a-%{svc}-%{+yyyy.MM.dd}"', "a-web-2026.01.02"),
        ('data_stream => "false"', "ecs-logstash-2026.01.02"),
        ('index => "%{nope}"', "%{nope}"),
        ('index => "%{[o]k}"', "%{[o]k}"),
    ],
)
def test_the_name_of_a_data_stream_or_an_index(options: str, name: str) -> None:
    target, _ = routed(f"elasticsearch {{ {options} }}", svc="web")

    assert target.name == name
    assert target.is_data_stream == name.startswith("logs-")
    assert target.action == ("create" if target.is_data_stream else "index")


def test_without_ecs_it_is_an_index() -> None:
    target, _ = routed("elasticsearch { }", has_ecs=False)
    assert (target.name, target.is_data_stream) == ("logstash-2026.01.02", False)
    target, _ = routed("elasticsearch { ecs_compatibility => v1 }", has_ecs=False)
    assert target.is_data_stream


@pytest.mark.parametrize(
    ("options", "given", "name", "stored"),
    [
        ("", {"dataset": "d"}, "logs-d-default", {"dataset": "d"}),
        ("", {"type": 5, "x": 1}, "5-generic-default", {"type": "5", "x": 1}),
        ("", None, "logs-generic-default", {}),
        ("data_stream_auto_routing => false", {"dataset": "d"}, "logs-generic-default", {}),
    ],
)
def test_fields_of_an_event_choose_its_data_stream(
    options: str, given: Any, name: str, stored: dict[str, Any]
) -> None:
    fields = {} if given is None else {"data_stream": given}

    target, event = routed(f"elasticsearch {{ {options} }}", **fields)

    whole = {"type": "logs", "dataset": "generic", "namespace": "default", **stored}
    assert target.name == name
    assert event.fields["data_stream"] == whole


def test_fields_are_left_alone_on_demand() -> None:
    _, event = routed("elasticsearch { data_stream_sync_fields => false }")
    assert "data_stream" not in event.fields


def test_what_is_no_object_is_overwritten() -> None:
    target, event = routed("elasticsearch { }", data_stream="text")
    assert target.name == "logs-generic-default"
    assert event.fields["data_stream"] == {
        "type": "logs", "dataset": "generic", "namespace": "default",
    }  # fmt: skip


def test_all_of_a_target_is_interpolated() -> None:
    target, _ = routed(
        """elasticsearch {
        index => "logs-%{svc}" action => "%{do}" document_id => "%{[@metadata][id]}"
        pipeline => "%{p}" routing => "%{svc}" }""",
        **{"svc": "web", "do": "create", "@metadata": {"id": 7}},
    )
    assert target == Target(0, "logs-web", False, "create", "7", "%{p}", "web")


def test_lines_and_files() -> None:
    assert routed("stdout { codec => rubydebug }")[0] == Target(0, "stdout")
    assert routed('file { path => "/x/%{svc}.log" }', svc="web")[0].name == "/x/web.log"


@pytest.mark.parametrize(
    ("body", "sentence", "is_unsupported"),
    [
        ("nothing { }", "there is no output 'nothing'; the outputs are elasticsearch", False),
        ("opensearch { }", "the output opensearch is not supported; name this config", True),
        ("kafka { }", "kafka needs the option 'topic_id'", False),
        ('kafka { topic_id => "t" acks => "2" }', "kafka.acks must be one of 0, 1, all", False),
        ("elasticsearch { hosts => x1 nope => 1 }", "has no option 'nope'", False),
        ('elasticsearch { action => "update" }', "action 'update' is not supported", True),
        ("elasticsearch { data_stream => yes }", "must be one of true, false, auto", False),
        ("elasticsearch { data_stream => true index => x1 }", "excludes index", False),
        ("elasticsearch { data_stream => false data_stream_type => logs }", "excludes data", False),
        ("elasticsearch { ilm_enabled => true }", "ilm_enabled => true would make", True),
        ("elasticsearch { ilm_policy => x1 }", "elasticsearch.ilm_policy: an index that", True),
        ("elasticsearch { keystore => x1 }", "Java's key stores", True),
        ("stdout { codec => line { format => x1 } }", "options of the codec line", True),
        ("file { }", "file needs the option 'path'", False),
        ("file { path => x1 codec => plain }", "plain cannot be used; lines are JSON", True),
    ],
)
def test_what_cannot_be_is_refused(body: str, sentence: str, is_unsupported: bool) -> None:
    with pytest.raises(RefusedConfig) as caught:
        program(f"output {{ {body} }}")
    assert sentence in str(caught.value)
    assert caught.value.is_unsupported is is_unsupported

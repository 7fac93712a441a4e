"""Targets of documents, made of what an output says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.model.document import DataStream, Index
from ptingest.pipeline.logstash.outputs import Target
from ptingest.pipeline.logstash.targets import Illegal, Targets, sink_names
from tests.pipeline.logstash.running import program

ONE = program('output { elasticsearch { index => "x" } }').outputs


def of(target: Target) -> DataStream | Index | Illegal:
    return Targets(ONE).of(target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            Target(0, "logs-django-pt", is_data_stream=True, action="create", pipeline="geo"),
            DataStream("logs", "django", "pt", "geo", "elasticsearch"),
        ),
        (
            Target(0, "logs-a-b-c", is_data_stream=True, action="create"),
            DataStream("logs", "a", "b-c", "", "elasticsearch"),
        ),
        (Target(0, "orders", document_id="7"), Index("orders", "index", True, "", "elasticsearch")),
        (Target(0, "orders"), Index("orders", "create", False, "", "elasticsearch")),
        (
            Target(0, "orders", action="create", document_id="7"),
            Index("orders", "create", True, "", "elasticsearch"),
        ),
        (
            Target(0, "<logs-{now/d}>"),
            Index("<logs-{now/d}>", "create", False, "", "elasticsearch"),
        ),
    ],
)
def test_a_target_says_all_that_a_sink_must_know(
    target: Target, expected: DataStream | Index
) -> None:
    assert of(target) == expected


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (Target(0, "Orders"), "illegal_data_stream"),
        (Target(0, "orders-%{[missing]}"), "index_interpolation"),
        (Target(0, "orders", action="delete"), "unknown_action"),
        (Target(0, "orders", is_data_stream=True, action="create"), "illegal_data_stream"),
    ],
)
def test_what_elasticsearch_would_not_take_is_found_before_it_is_sent(
    target: Target, reason: str
) -> None:
    found = of(target)

    assert isinstance(found, Illegal)
    assert found.reason == reason
    assert target.name in found.detail


def test_one_name_is_one_object() -> None:
    targets = Targets(ONE)

    assert targets.of(Target(0, "a")) is targets.of(Target(0, "a", routing="r"))


def test_outputs_to_one_cluster_share_a_sink_and_others_are_named_by_their_id() -> None:
    outputs = program(
        """output {
          elasticsearch { hosts => ["a:9200"] index => "x" }
          elasticsearch { hosts => ["a:9200"] index => "y" }
          elasticsearch { hosts => ["b:9200"] index => "x" id => "archive" }
          elasticsearch { hosts => ["c:9200"] index => "x" }
        }"""
    ).outputs

    assert sink_names(outputs) == ("elasticsearch", "elasticsearch", "archive", "elasticsearch-3")


FILES = program('output { file { path => "/var/log/%{host}/x.log" } stdout { codec => json } }')


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/web/x.log", "/var/log/web/x.log"),
        ("/var/log/../../etc/passwd", "/var/log/_filepath_failures"),
        ("/var/log/a/../../../x", "/var/log/_filepath_failures"),
        ("/var/log/a/../b/x.log", "/var/log/b/x.log"),
        ("/var/logs/x", "/var/log/_filepath_failures"),
    ],
)
def test_a_path_never_leaves_the_folder_that_the_config_names(path: str, expected: str) -> None:
    assert Targets(FILES.outputs).of(Target(0, path)) == Index(expected, output="file")


def test_a_relative_path_begins_in_the_folder_of_the_config() -> None:
    outputs = program('output { file { path => "%{a}.log" } }').outputs

    targets = Targets(outputs, Path("/etc/logstash"))

    assert targets.of(Target(0, "b.log")) == Index("/etc/logstash/b.log", output="file")
    assert targets.of(Target(0, "../b.log")) == Index(
        "/etc/logstash/_filepath_failures", output="file"
    )


def test_standard_output_knows_its_codec() -> None:
    assert Targets(FILES.outputs).of(Target(1, "stdout")) == Index("json", output="stdout")


def test_a_topic_is_one_object_whatever_its_records_are() -> None:
    outputs = program('output { kafka { topic_id => "x" } }').outputs
    targets = Targets(outputs)

    found = targets.of(Target(0, "logs", action="create", routing="k", text="v"))

    assert found == Index("logs", "create", output="kafka")
    assert found is targets.of(Target(0, "logs", action="create", routing="other"))
    assert isinstance(found, Index)
    assert found.kind == "topic"


@pytest.mark.parametrize("name", ["", ".", "a b", "logs-%{topic}", "x" * 250, "\u00e4"])
def test_a_name_that_no_topic_has_is_told(name: str) -> None:
    outputs = program('output { kafka { topic_id => "x" } }').outputs

    found = Targets(outputs).of(Target(0, name, action="create"))

    assert isinstance(found, Illegal)
    assert found.reason == "illegal_topic"

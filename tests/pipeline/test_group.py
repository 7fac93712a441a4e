"""The reference stages: unusual rules of Logstash, and the effects of the profile's settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Explanation
from ptingest.settings.profile import ProfileSettings
from tests.support.profile import shipped_profile

NOW_NS = 1_795_444_444_123_456_789
LINE = "INFO|apps.parcels.views|2025-01-02T03:04:05.678|msg"
B, G, D = "beats_input_codec_plain_applied", "_grokparsefailure_pt", "_dateparsefailure"


def explain(event: dict[str, Any], **changes: Any) -> Explanation:
    pipeline = compile_profile(shipped_profile(**changes))
    base = {"@timestamp": "2025-01-02T03:04:06.123Z", "group": "pt", "service": "django"}
    return pipeline.explain(json.dumps(base | event).encode(), now_ns=NOW_NS)


def document(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    explained = explain(event, **changes)
    assert explained.document is not None
    return explained.document


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"tags": {"a": 1}}, "tags_invalid"),
        ({"tags": 5}, "tags_invalid"),
        ({"tags": ["a", 1]}, "tags_invalid"),
        ({"event": "x"}, "event_invalid"),
        ({"event": None}, "event_invalid"),
        ({"event": ["x"]}, "event_invalid"),
        ({"service": "Django"}, "illegal_data_stream"),
        ({"service": ["a", "b"]}, "illegal_data_stream"),
        ({"service": "%{[group]}"}, "index_interpolation"),
    ],
    ids=str,
)
def test_what_no_sink_could_take_is_dead_lettered_with_its_reason(
    event: dict[str, Any], reason: str
) -> None:
    explained = explain({"message": LINE} | event)

    assert (explained.outcome, explained.reason) == ("dead_letter", reason)
    assert explained.detail


@pytest.mark.parametrize("around", [{"message": LINE}, {"message": ""}, {}], ids=str)
@pytest.mark.parametrize("name", ["event", "tags"])
def test_a_field_that_logstash_cannot_take_is_told_with_its_cure_in_filebeat(
    name: str, around: dict[str, Any]
) -> None:
    explained = explain({name: 5} | around)

    assert explained.reason == f"{name}_invalid"
    assert f"- rename: {{fields: [{{from: {name}, to: app_{name}}}]}}" in explained.detail
    assert "filebeat.yml" in explained.detail


def test_the_name_logstash_would_have_written_to_is_told_also_when_illegal() -> None:
    assert explain({"message": LINE, "service": "My App"}).data_stream == "logs-My App-pt"


def test_an_unreadable_time_of_an_event_without_message_is_kept_and_tagged() -> None:
    found = document({"@timestamp": "garbage"})

    assert found["_@timestamp"] == "garbage"
    assert found["tags"] == ["_timestampparsefailure", "beats_input_raw_event", G]
    assert found["@timestamp"] == "2026-11-23T14:34:04.123456789Z"


def test_logstash_forwarders_line_is_a_message() -> None:
    found = document({"line": LINE})

    assert found["message"] == LINE
    assert "line" not in found


def test_a_lone_tag_that_is_the_codecs_stays_a_string() -> None:
    assert document({"message": LINE, "tags": B})["tags"] == B


def test_a_preset_failure_tag_keeps_the_date_from_running() -> None:
    found = document({"message": LINE, "tags": [G]})

    assert found["@timestamp"] == "2025-01-02T03:04:06.123Z"


def test_invalid_utf8_is_tagged() -> None:
    payload = b'{"group":"pt","service":"django","message":"INFO|root|2025-01-02T03:04:05Z|\xff"}'

    explained = compile_profile(shipped_profile()).explain(payload, now_ns=NOW_NS)

    assert explained.document is not None
    assert explained.document["log_message"] == "\ufffd"
    assert explained.document["tags"] == [B, "_invalid_utf8"]


def test_a_data_stream_that_is_null_becomes_an_object() -> None:
    assert document({"message": LINE, "data_stream": None})["data_stream"] == {
        "type": "logs",
        "dataset": "django",
        "namespace": "pt",
    }


def test_full_precision_puts_the_milliseconds_back() -> None:
    found = document({"message": LINE}, timestamp_precision="full")

    assert found["@timestamp"] == "2025-01-02T03:04:05.678Z"
    assert found["log_ms"] == "678"


def test_the_timezone_applies_to_lines_without_one() -> None:
    found = document({"message": LINE}, timezone="Europe/Warsaw")

    assert found["@timestamp"] == "2025-01-02T02:04:05.000Z"


def test_strict_parsing_tags_what_fits_only_loosely() -> None:
    assert document({"message": f"noise\n{LINE}"}, parsing="strict")["tags"] == [B, G]


@pytest.mark.parametrize(
    ("policy", "message", "is_kept"),
    [
        ("keep", LINE, True),
        ("drop", LINE, False),
        ("drop", "no match", False),
        ("on_failure", LINE, False),
        ("on_failure", "no match", True),
        ("on_failure", "INFO|root|2025-01-02 03:04:05|no date", True),
    ],
)
def test_the_second_copy_of_the_message_is_kept_as_the_profile_says(
    policy: str, message: str, is_kept: bool
) -> None:
    found = document({"message": message}, event_original=policy)

    assert ("original" in found["event"]) is is_kept
    assert found["event"]["module"] == "pt"


def test_an_original_that_filebeat_sent_stays() -> None:
    found = document({"message": LINE, "event": {"original": "RAW"}}, event_original="drop")

    assert found["event"]["original"] == "RAW"


@pytest.mark.parametrize(("how", "dataset"), [("lower", "my app"), ("ecs", "my_app")])
def test_mended_names_leave_the_service_as_sent(how: str, dataset: str) -> None:
    explained = explain({"message": LINE, "service": "My App"}, sanitise_names=how)

    assert explained.document is not None
    assert explained.document["service"] == "My App"
    assert explained.document["data_stream"]["dataset"] == dataset
    assert explained.outcome == ("indexed" if how == "ecs" else "dead_letter")


def test_unknown_services_are_dead_lettered_where_only_known_ones_may_pass() -> None:
    groups = shipped_profile().model_dump(exclude_none=True)["groups"]
    groups[0]["only_known_services"] = True

    assert explain({"message": LINE}, groups=groups).outcome == "indexed"
    strange = explain({"message": LINE, "service": "djagno"}, groups=groups)
    assert (strange.outcome, strange.reason) == ("dead_letter", "service_not_allowed")
    assert strange.data_stream == "logs-djagno-pt"


def test_a_second_group_has_its_own_patterns_and_data_streams() -> None:
    profile = ProfileSettings.model_validate(
        {
            "groups": [
                *shipped_profile().model_dump(exclude_none=True)["groups"],
                {
                    "group": "web",
                    "data_stream": {"type": "logs", "namespace": "edge"},
                    "fields": {"labels.team": "web"},
                    "patterns": [
                        {
                            "name": "access",
                            "regex": r'(?P<client>\S+) - - \[(?P<at>[^]]+)\] "(?P<request>[^"]*)"',
                        }
                    ],
                    "time": {"field": "at", "formats": ["%d/%b/%Y:%H:%M:%S %z"]},
                },
            ]
        }
    )
    payload = {
        "@timestamp": "2025-01-02T03:04:06.123Z", "group": "web", "service": "nginx",
        "message": '203.0.113.7 - - [02/Jan/2025:03:04:05 +0100] "GET / HTTP/1.1" 200',
    }  # fmt: skip

    explained = compile_profile(profile).explain(json.dumps(payload).encode(), now_ns=NOW_NS)

    assert explained.data_stream == "logs-nginx-edge"
    assert explained.document is not None
    assert explained.document["@timestamp"] == "2025-01-02T02:04:05.000Z"
    assert explained.document["labels"] == {"team": "web"}
    assert explained.document["request"] == "GET / HTTP/1.1"


def test_constants_that_cannot_be_set_leave_every_constant_out() -> None:
    groups = shipped_profile().model_dump(exclude_none=True)["groups"]
    groups[0]["fields"] = {"labels.team": "pt"}

    explained = explain({"message": LINE, "labels": "x", "data_stream": {"type": 5}}, groups=groups)

    assert explained.document is not None
    assert explained.document["tags"] == [B, "_mutate_error"]
    assert explained.data_stream == "5-generic-default"
    assert explained.notes == ("mutate_failure",)

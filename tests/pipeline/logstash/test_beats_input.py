"""Events as Logstash's Beats input makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.pipeline.decode import Decoded, Unreadable, decode_payload
from ptingest.pipeline.logstash.beats_input import BeatsInput
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.inputs import inputs_of
from ptingest.pipeline.logstash.parse import parse

NOW = 1_767_323_045_000_000_000
SENT = {"@timestamp": "2025-01-02T03:04:06.123Z", "@metadata": {"beat": "filebeat"}}


def events(source: BeatsInput, raw: bytes) -> list[Event] | Unreadable:
    sent = decode_payload(raw)
    assert isinstance(sent, Decoded)
    return source.events_of(sent, peer="192.0.2.7:51234", now_ns=NOW)


def one(source: BeatsInput | None = None, **members: Any) -> Event:
    found = events(source or BeatsInput(), json.dumps({**SENT, **members}).encode())
    assert isinstance(found, list)
    (event,) = found
    return event


def shown(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.fields.items() if name[0] != "@"}


def test_a_line_has_its_original_a_tag_and_the_address_of_its_beat() -> None:
    event = one(message="hi", tags=["web"])

    assert shown(event) == {
        "message": "hi",
        "event": {"original": "hi"},
        "tags": ["web", "beats_input_codec_plain_applied"],
    }
    assert event.metadata == {
        "beat": "filebeat",
        "input": {"beats": {"host": {"ip": "192.0.2.7"}}},
    }
    assert event.fields["@version"] == "1"
    assert str(event.fields["@timestamp"]) == "2025-01-02T03:04:06.123Z"


def test_event_joins_one_level_deep_and_what_filebeat_sent_wins() -> None:
    event = one(message="hi", event={"dataset": "d", "original": "other"})

    assert event.fields["event"] == {"dataset": "d", "original": "other"}


@pytest.mark.parametrize("members", [{}, {"message": None}])
def test_an_event_without_a_message_is_raw(members: dict[str, Any]) -> None:
    event = one(**members)

    assert shown(event) == {**members, "tags": ["beats_input_raw_event"]}


@pytest.mark.parametrize(
    ("message", "text"), [(42, "42"), (True, "true"), ({"a": [1]}, '{"a":[1]}'), (1.5, "1.5")]
)
def test_a_message_that_is_no_text_becomes_one(message: object, text: str) -> None:
    assert one(message=message).fields["message"] == text


def of_config(options: str) -> BeatsInput:
    source = inputs_of(
        parse(f"input {{ beats {{ port => 5044 {options} }} }}", {}, file="a.conf"), has_ecs=True
    ).beats
    assert source is not None
    return source.builder


def test_options_of_the_input_are_applied_before_the_tag_of_the_codec() -> None:
    source = of_config('type => "log" tags => ["in"] add_field => { "dc" => "east" }')

    event = one(source, message="hi", tags="web")

    assert event.fields["tags"] == ["web", "in", "beats_input_codec_plain_applied"]
    assert (event.fields["type"], event.fields["dc"]) == ("log", "east")


def test_fields_of_the_input_are_nested_and_hold_what_the_event_has() -> None:
    source = of_config("""add_field => {
      "[a][b]" => "%{message} of %{[@metadata][beat]}" "%{kind}" => "x" "dc" => "east" }""")

    event = one(source, message="hi", kind="k", dc=["west"])

    assert event.fields["a"] == {"b": "hi of filebeat"}
    assert event.fields["k"] == "x"
    assert event.fields["dc"] == ["west", "east"]


def test_tags_of_the_input_are_added_as_a_filter_adds_them() -> None:
    event = one(of_config('tags => ["web", "%{kind}"]'), message="hi", kind="k", tags=["web"])

    assert event.fields["tags"] == ["web", "web", "k", "beats_input_codec_plain_applied"]


def test_a_field_that_cannot_be_added_is_told_by_a_tag() -> None:
    event = one(of_config('add_field => { "[message][x]" => "y" }'), message="hi")

    assert event.fields["tags"] == ["_input_error", "beats_input_codec_plain_applied"]
    assert event.fields["message"] == "hi"


def test_without_ecs_there_is_no_original_and_the_address_has_its_old_place() -> None:
    event = one(BeatsInput(has_ecs=False), message="hi")

    assert "event" not in event.fields
    assert event.metadata["ip_address"] == "192.0.2.7"


def test_the_codec_json_reads_the_message() -> None:
    event = one(BeatsInput(codec="json"), message='{"a":1,"message":"inner"}', b=2)

    assert shown(event) == {
        "a": 1,
        "message": "inner",
        "b": 2,
        "event": {"original": '{"a":1,"message":"inner"}'},
        "tags": ["beats_input_codec_json_applied"],
    }


def test_each_object_of_an_array_is_an_event_with_metadata_of_its_own() -> None:
    source = BeatsInput(codec="json")
    found = events(source, json.dumps({**SENT, "message": '[{"a":1},{"a":2}]'}).encode())

    assert isinstance(found, list)
    assert [event.fields["a"] for event in found] == [1, 2]
    assert found[0].metadata is not found[1].metadata


def test_only_an_event_that_is_alone_keeps_the_text_it_was_read_from() -> None:
    source = BeatsInput(codec="json")
    texts = ['[{"a":1}]', '[{"a":1},{"a":2}]', "no json", '{"event":"text"}', '{"event":null}']

    found = [events(source, json.dumps({**SENT, "message": text}).encode()) for text in texts]

    assert [
        [event.fields.get("event") for event in of_text]
        for of_text in found
        if isinstance(of_text, list)
    ] == [[{"original": texts[0]}], [None, None], [None], [None], [None]]


def test_what_filebeat_sent_joins_objects_of_the_message_and_replaces_all_else() -> None:
    source = BeatsInput(codec="json")
    message = (
        '{"log":{"level":"warn","offset":7},"tags":["own"],"host":"h","@timestamp":"2020-01-01"}'
    )

    event = one(source, message=message, log={"offset": 9}, tags=["web"], host={"name": "n"})

    assert event.fields["log"] == {"level": "warn", "offset": 9}
    assert event.fields["tags"] == ["web", "beats_input_codec_json_applied"]
    assert event.fields["host"] == {"name": "n"}
    assert str(event.fields["@timestamp"]) == "2025-01-02T03:04:06.123Z"


def test_the_time_in_a_message_counts_where_filebeat_sent_none() -> None:
    message = json.dumps('{"@timestamp":"2020-01-02T00:00:00Z","@metadata":{"a":1},"f":1e400}')
    found = events(BeatsInput(codec="json"), b'{"message":%b}' % message.encode())

    assert isinstance(found, list)
    (event,) = found
    assert str(event.fields["@timestamp"]) == "2020-01-02T00:00:00.000Z"
    assert "@metadata" not in event.fields
    assert str(event.fields["f"]) == "1E+400"


@pytest.mark.parametrize("message", ["no json", "7", "[1]"])
def test_what_the_codec_json_cannot_read_stays_a_message_with_a_tag(message: str) -> None:
    event = one(BeatsInput(codec="json"), message=message)

    assert event.fields["message"] == message
    assert event.fields["tags"] == ["_jsonparsefailure", "beats_input_codec_json_applied"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"tags": {"a": 1}}, "tags_invalid"),
        ({"tags": ["a", 1]}, "tags_invalid"),
        ({"event": "x", "message": "hi"}, "event_invalid"),
        ({"event": None, "message": "hi"}, "event_invalid"),
    ],
)
def test_what_makes_logstash_receive_a_window_for_ever_is_refused(
    members: dict[str, Any], reason: str
) -> None:
    found = events(BeatsInput(), json.dumps({**SENT, **members}).encode())

    assert isinstance(found, Unreadable)
    assert found.reason == reason
    assert "filebeat.yml" in found.detail


def test_numbers_keep_their_digits() -> None:
    found = events(BeatsInput(), b'{"message":"x","n":123456789012345678901234567890,"f":1e400}')

    assert isinstance(found, list)
    assert found[0].fields["n"] == 123456789012345678901234567890
    assert str(found[0].fields["f"]) == "1E+400"


def test_a_time_that_is_none_is_now() -> None:
    event = one(message="hi", **{"@timestamp": "yesterday"})

    assert str(event.fields["@timestamp"]) == "2026-01-02T03:04:05.000Z"
    assert "_@timestamp" not in event.fields

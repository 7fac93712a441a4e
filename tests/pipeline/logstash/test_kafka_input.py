"""Events as Logstash's input ``kafka`` makes them of records."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.model.origin import Origin, RecordPlace
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.model.record_frame import framed
from ptingest.pipeline.decode import Unreadable
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.inputs import inputs_of
from ptingest.pipeline.logstash.kafka_input import SentRecord
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.pipeline import LogstashPipeline, compile_logstash
from ptingest.pipeline.records import taken_in
from ptingest.settings.logstash import ConfFile, LogstashSettings

NOW = 1_767_323_045_000_000_000
PLACE = RecordPlace("logs", 3, 7, 1_795_000_000_007, b"k", [("trace", b"t1")])


def built(options: str, value: bytes, place: RecordPlace = PLACE, *, ecs: bool = True) -> Any:
    config = parse(f"input {{ kafka {{ {options} }} }}", {}, file="a.conf")
    source = inputs_of(config, has_ecs=ecs).kafka
    assert source is not None
    builder = source.builder
    sent = builder.sent(framed(value, place), is_any=False)
    if isinstance(sent, Unreadable):
        return sent
    assert isinstance(sent, SentRecord)
    return builder.events_of(sent, now_ns=NOW)


def shown(events: list[Event]) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.fields.items() if k[0] != "@"} for one in events]


JSON = "codec => json"


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ("", b"a\tline", [{"message": "a\tline", "event": {"original": "a\tline"}}]),
        ("", b'{"a":1}', [{"message": '{"a":1}', "event": {"original": '{"a":1}'}}]),
        ("", b"\xff", [{"message": "\ufffd", "event": {"original": "\ufffd"}}]),
        ("codec => plain { ecs_compatibility => disabled }", b"x", [{"message": "x"}]),
        (JSON, b'{"a": 1}', [{"a": 1, "event": {"original": '{"a": 1}'}}]),
        (
            JSON,
            b'{"event":{"original":"x","kind":"k"}}',
            [{"event": {"original": "x", "kind": "k"}}],
        ),
        ("codec => json { ecs_compatibility => disabled }", b'{"a":1}', [{"a": 1}]),
        (JSON, b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        (JSON, b'[{"a":1}]', [{"a": 1, "event": {"original": '[{"a":1}]'}}]),
        (JSON, b"[]", []),
        (JSON, b"no json", [{"message": "no json", "tags": ["_jsonparsefailure"]}]),
        (JSON, b"[1]", [{"message": "[1]", "tags": ["_jsonparsefailure"]}]),
        (
            JSON,
            b'{"event":"text"}',
            [{"message": '{"event":"text"}', "tags": ["_jsonparsefailure"]}],
        ),
    ],
)
def test_a_value_becomes_what_the_codec_makes_of_it(
    options: str, value: bytes, expected: list[dict[str, Any]]
) -> None:
    events = built(options, value)

    assert shown(events) == expected
    for one in events:
        assert one.fields["@version"] == "1"
        assert one.timestamp.ns == NOW
        assert one.metadata == {}


def test_a_json_event_keeps_its_time_and_its_metadata() -> None:
    value = b'{"@timestamp":"2025-01-02T03:04:05.000Z","@metadata":{"beat":"filebeat"}}'
    (event,) = built(f"{JSON} decorate_events => basic", value)

    assert str(event.timestamp) == "2025-01-02T03:04:05.000Z"
    assert event.metadata["beat"] == "filebeat"
    assert event.metadata["kafka"]["offset"] == 7


BASIC = {
    "topic": "logs",
    "consumer_group": "logstash",
    "partition": 3,
    "offset": 7,
    "key": "k",
    "timestamp": 1_795_000_000_007,
}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("none", {}),
        ("false", {}),
        ("basic", {"kafka": BASIC}),
        ("true", {"kafka": BASIC}),
        ("extended", {"kafka": {**BASIC, "headers": {"trace": "t1"}}}),
    ],
)
def test_the_metadata_tells_of_the_record_what_is_asked_for(
    level: str, expected: dict[str, Any]
) -> None:
    (event,) = built(f'decorate_events => "{level}"', b"x")

    assert event.metadata == expected


def test_a_record_without_a_key_has_a_null_one() -> None:
    (event,) = built("decorate_events => basic", b"x", PLACE._replace(key=None))

    assert event.metadata["kafka"]["key"] is None


def test_options_of_the_input_are_applied_before_the_metadata_is_told() -> None:
    options = """type => "log" tags => ["in"] decorate_events => basic
      add_field => { "[a][b]" => "%{message} %{[@metadata][kafka][topic]}" }"""

    (event,) = built(options, b"x")

    assert event.fields["a"] == {"b": "x %{[@metadata][kafka][topic]}"}
    assert (event.fields["type"], event.fields["tags"]) == ("log", ["in"])


def test_an_event_has_the_type_that_it_came_with() -> None:
    (event,) = built(f'{JSON} type => "log"', b'{"type":"own"}')

    assert event.fields["type"] == "own"


def test_a_field_that_cannot_be_added_is_told_by_a_tag() -> None:
    (event,) = built('add_field => { "[message][x]" => "y" }', b"x")

    assert event.fields["tags"] == ["_input_error"]


def test_a_tombstone_is_an_empty_message_and_no_json() -> None:
    tombstone = PLACE._replace(is_tombstone=True)

    assert shown(built("", b"null", tombstone, ecs=False)) == [{"message": ""}]
    assert built(JSON, b"null", tombstone).reason == "empty"


# --- in a pipeline --------------------------------------------------------------------------

OUTPUT = 'output { elasticsearch { index => "i" } }'
FILEBEAT = (
    b'{"@timestamp":"2025-01-02T03:04:05.000Z","message":"hi","agent":{"id":"a"},'
    b'"host":{"name":"h"},"log":{"offset":1,"file":{"path":"/x","device_id":"1","inode":"2"}}}'
)


def compiled(inputs: str, filters: str = "") -> LogstashPipeline:
    text = f"input {{ {inputs} }} filter {{ {filters} }} {OUTPUT}"
    rules = LogstashSettings(files=(ConfFile(name="a.conf", text=text),), folder="/")
    return compile_logstash(rules)


def processed(pipeline: LogstashPipeline, *payloads: bytes) -> Processed:
    receipt = Receipt(lambda _: None)
    return pipeline.process(payloads, receipt=receipt, peer="192.0.2.7:1", now_ns=NOW)


def test_beats_and_records_are_built_by_their_own_inputs() -> None:
    pipeline = compiled("beats { port => 1 } kafka { codec => json }")

    done = processed(pipeline, FILEBEAT, framed(FILEBEAT, PLACE))

    beats, kafka = done.documents
    assert b"beats_input_codec_plain_applied" in beats.body
    assert b"beats_input" not in kafka.body
    assert beats.key == kafka.key is not None


def test_where_kafka_is_the_only_input_any_payload_is_a_value() -> None:
    pipeline = compiled('kafka { topics => ["first"] decorate_events => basic }')

    done = processed(pipeline, b"no json")

    assert b'"message":"no json"' in done.documents[0].body
    explained = pipeline.explain(b"no json", now_ns=NOW)
    assert explained.outcome == "indexed"
    assert b'"topic":"first"' in explained.events[0].metadata


def test_what_no_codec_reads_is_a_dead_letter_with_its_frame() -> None:
    pipeline = compiled("kafka { codec => json }")
    payload = framed(b"null", PLACE._replace(is_tombstone=True))

    (letter,) = processed(pipeline, payload).dead_letters

    assert (letter.reason, letter.payload) == ("empty", payload)


def test_without_an_input_kafka_a_record_is_taken_as_it_came() -> None:
    pipeline = compiled("beats { port => 1 }")

    origin = Origin("logs/3", source="kafka", records={id(FILEBEAT): PLACE})
    (taken,), _ = taken_in(pipeline, [FILEBEAT], origin)
    assert taken is FILEBEAT
    assert not pipeline.reads_kafka


def test_conditions_may_ask_for_the_topic() -> None:
    condition = 'if [@metadata][kafka][topic] == "logs" { mutate { add_tag => "mine" } }'
    pipeline = compiled("kafka { decorate_events => basic }", condition)

    (document,) = processed(pipeline, framed(b"x", PLACE)).documents

    assert b'"tags":["mine"]' in document.body

"""Which input builds the events of a payload."""

from __future__ import annotations

import pytest

from ptingest.model.origin import RecordPlace
from ptingest.model.record_frame import framed
from ptingest.pipeline.decode import Decoded
from ptingest.pipeline.logstash.builders import builder_of
from ptingest.pipeline.logstash.inputs import inputs_of
from ptingest.pipeline.logstash.parse import parse

PLACE = RecordPlace("logs", 3, 7, 1_795_000_000_007)
PAYLOAD = b'{"message":"hi"}'
BEATS, KAFKA = "beats { port => 1 }", "kafka { }"
OF_BEATS, OF_KAFKA, AS_GIVEN = "hi", '{"message":"hi"}', "hi"


@pytest.mark.parametrize(
    ("inputs", "is_bare", "sent", "read"),
    [
        ("", False, OF_BEATS, OF_BEATS),
        ("", True, AS_GIVEN, AS_GIVEN),
        (BEATS, False, OF_BEATS, OF_BEATS),
        (KAFKA, False, OF_KAFKA, OF_KAFKA),
        (BEATS + KAFKA, False, OF_BEATS, OF_KAFKA),
    ],
)
def test_what_is_sent_and_what_is_read_have_their_inputs(
    inputs: str, is_bare: bool, sent: str, read: str
) -> None:
    config = parse(f"input {{ {inputs} }}", {}, file="a.conf")
    builder = builder_of(inputs_of(config, has_ecs=True), is_bare=is_bare, has_ecs=True)

    found = []
    for payload in (PAYLOAD, framed(PAYLOAD, PLACE) if KAFKA in inputs else PAYLOAD):
        decoded = builder.decode(payload)
        assert isinstance(decoded, Decoded)
        events = builder.events_of(decoded, peer="192.0.2.7:1", now_ns=1)
        assert isinstance(events, list)
        found.append(events[0].fields["message"])

    assert found == [sent, read]


@pytest.mark.parametrize(
    ("inputs", "are_kept"),
    [
        ("", True), (BEATS, True), (BEATS + KAFKA, False), (KAFKA, False),
        ("beats { port => 1 codec => json }", False), ('beats { port => 1 tags => "x" }', False),
    ],
)  # fmt: skip
def test_members_are_kept_as_a_beat_sent_them(inputs: str, are_kept: bool) -> None:
    config = parse(f"input {{ {inputs} }}", {}, file="a.conf")
    builder = builder_of(inputs_of(config, has_ecs=True), is_bare=False, has_ecs=True)

    assert builder.keeps_members is are_kept

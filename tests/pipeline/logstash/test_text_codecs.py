"""What codecs of an output make of an event."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.outputs import compile_output
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.tree import Plugin
from ptingest.pipeline.logstash.values import Timestamp

NOW = 1_767_323_045_000_000_000


def text(codec: str, **fields: Any) -> str | None:
    (plugin,) = parse(
        f'output {{ kafka {{ topic_id => "t" {codec} }} }}', {}, file="a.conf"
    ).outputs
    assert isinstance(plugin, Plugin)
    event = new_event({"@timestamp": Timestamp(NOW), "message": "hi", **fields}, now_ns=NOW)
    return compile_output(plugin, 0).route(event).text


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("codec => json", None),
        ("codec => json { charset => 'UTF-8' ecs_compatibility => v8 }", None),
        ("", "2026-01-02T03:04:05.000Z %{host} hi"),
        ("codec => plain", "2026-01-02T03:04:05.000Z %{host} hi"),
        ('codec => plain { format => "%{message}!" }', "hi!"),
        ('codec => plain { format => "%{[a}" }', "%{[a}"),
        ('codec => line { format => "%{message}" }', "hi\n"),
        ('codec => line { format => "%{message}" delimiter => ";" }', "hi;"),
        (
            "codec => json_lines",
            '{"@timestamp":"2026-01-02T03:04:05.000Z","message":"hi","@version":"1"}\n',
        ),
    ],
)
def test_an_event_is_written_as_its_codec_does(codec: str, expected: str | None) -> None:
    assert text(codec) == expected


def test_an_event_that_nobody_formats_has_its_host_as_java_prints_it() -> None:
    assert text("", host={"name": "h", "ip": ["a", "b"]}) == (
        "2026-01-02T03:04:05.000Z {name=h, ip=[a, b]} hi"
    )
    assert text("", message=None) == "2026-01-02T03:04:05.000Z %{host} %{message}"


@pytest.mark.parametrize(
    ("codec", "sentence"),
    [
        ("codec => avro { }", "the codec avro is not supported; json, json_lines, line, plain are"),
        ('codec => json { target => "x" }', "target of the codec cannot be used"),
        ('codec => plain { charset => "CP1252" }', "the charset being UTF-8"),
    ],
)
def test_what_no_codec_here_does_is_refused(codec: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig) as error:
        text(codec)

    assert sentence in error.value.sentence

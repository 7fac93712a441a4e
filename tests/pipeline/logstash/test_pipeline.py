"""A logstash.conf as a pipeline."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.model.outcome import DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.logstash.pipeline import LogstashPipeline, compile_logstash
from ptingest.settings.logstash import ConfFile, LogstashSettings

NOW = 1_767_323_045_000_000_000
EVENT = {
    "@timestamp": "2025-01-02T03:04:06.123Z",
    "message": "hi at 2025-01-02T03:04:05Z",
    "service": "django",
    "agent": {"id": "a"},
    "host": {"name": "h"},
    "log": {"offset": 7, "file": {"path": "/x", "inode": "12", "device_id": "3"}},
}


def pipeline_of(*texts: str, **variables: str) -> LogstashPipeline:
    files = tuple(ConfFile(name=f"{n}.conf", text=text) for n, text in enumerate(texts))
    return compile_logstash(LogstashSettings(files=files, folder="/", variables=variables))


def payload(**members: Any) -> bytes:
    return json.dumps({**EVENT, **members}).encode()


def process(pipeline: LogstashPipeline, *payloads: bytes) -> Processed:
    receipt = Receipt(lambda _: None)
    return pipeline.process(payloads, receipt=receipt, peer="192.0.2.7:1", now_ns=NOW)


ONE = 'output { elasticsearch { index => "logs-%{+yyyy.MM.dd}" } }'
TWO = """output {
  elasticsearch { index => "logs" }
  if [service] == "django" {
    elasticsearch { index => "app" document_id => "%{[log][offset]}" routing => "%{service}" }
  }
}"""


def test_an_event_becomes_a_document_of_its_output() -> None:
    done = process(pipeline_of(ONE), payload())

    (document,) = done.documents
    assert (document.target.name, document.service) == ("logs-2025.01.02", "django")
    assert json.loads(document.body)["tags"] == ["beats_input_codec_plain_applied"]
    assert not done.is_spread
    assert done.received == {"django": 1}


CONDITIONAL = """input { beats { port => 1 %s } }
filter { if [kind] == "a" or [n] > 5 { mutate { add_field => { "seen" => "yes" } } } }
output { if [kind] == "b" { elasticsearch { index => "b" } }
         else if [log][file][path] =~ "keep" { elasticsearch { index => "kept" } } }"""
SENT: list[dict[str, Any]] = [
    {}, {"n": 1}, {"n": 1, "kind": "a"}, {"n": 9}, {"n": "text"}, {"n": 1, "kind": "b"},
    {"n": 1, "tags": [3]}, {"n": 1, "tags": ["x"]}, {"n": 1, "event": 3}, {"n": 1, "event": {}},
    {"n": 1, "log": {"file": {"path": "/keep"}}}, {"n": 1, "service": {"name": "s"}},
    {"n": 1, "message": '{"kind": "b"}'}, {"n": 1, "type": "t"},
]  # fmt: skip


@pytest.mark.parametrize("option", ["", "codec => json", 'add_field => { "kind" => "b" }'])
def test_what_no_condition_asks_for_is_dropped_as_if_the_config_had_been_run(option: str) -> None:
    quick, whole = pipeline_of(CONDITIONAL % option), pipeline_of(CONDITIONAL % option)
    whole.program = dataclasses.replace(whole.program, is_wanted=None)

    found = [process(one, *(payload(**members) for members in SENT)) for one in (quick, whole)]

    assert quick.program.is_wanted is not None
    first, second = map(told, found)
    assert first == second
    assert first["dropped"]
    assert quick.program.conditions.errors == whole.program.conditions.errors > 0


def told(done: Processed) -> dict[str, Any]:
    """All of a result that can be compared."""
    return {
        "documents": [(one.target, one.body, one.key, one.service) for one in done.documents],
        "letters": [(one.reason, one.payload) for one in done.dead_letters],
        "dropped": done.dropped, "received": done.received, "tallies": done.tallies,
    }  # fmt: skip


@pytest.mark.parametrize(
    "condition",
    ["[message]", "[tags]", "[event][original]", "[@metadata][beat]", "[@timestamp]", "[a[b]"],
)
def test_what_an_input_makes_is_not_asked_for_before_it_is_made(condition: str) -> None:
    pipeline = pipeline_of(f"output {{ if {condition} {{ stdout {{ }} }} }}")

    assert pipeline.program.is_wanted is None


def test_an_event_that_becomes_too_much_is_one_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of a text that ``split`` cuts has the whole text in ``event.original``."""
    monkeypatch.setattr("ptingest.pipeline.logstash.pipeline.LARGEST_TOTAL", 100_000)
    pipeline = pipeline_of("input { beats { port => 1 } } filter { split { } }", ONE)
    large, small = payload(message="ab\n" * 300), payload(message="ab\n" * 3)

    done = process(pipeline, large, small)

    (letter,) = done.dead_letters
    assert (letter.reason, letter.payload) == ("event_too_costly", large)
    assert len(done.documents) == 3
    assert pipeline.explain(large, now_ns=NOW).reason == "event_too_costly"


def test_files_are_joined_and_variables_filled_in() -> None:
    pipeline = pipeline_of(
        'filter { mutate { add_field => { "at" => "${WHERE}" } } }', ONE, WHERE="here"
    )

    (document,) = process(pipeline, payload()).documents

    assert json.loads(document.body)["at"] == "here"


def test_several_outputs_are_several_documents_of_one_payload_each_with_its_id() -> None:
    done = process(pipeline_of(TWO), payload(), payload(service="nginx"))

    first, second, third = done.documents
    assert [d.target.name for d in done.documents] == ["logs", "app", "logs"]
    assert first.payload is second.payload
    assert (second.key, second.routing) == ("7", "django")
    assert first.key is not None
    assert third.key is not None
    assert done.is_spread
    assert done.received == {"django": 1, "nginx": 1}


def test_a_resent_event_gets_the_same_keys_and_its_documents_different_ones() -> None:
    twice = 'output { elasticsearch { index => "a" } elasticsearch { index => "a" } }'
    keys = [[d.key for d in process(pipeline_of(twice), payload()).documents] for _ in range(2)]

    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2
    assert all(key and len(key) == 22 for key in keys[0])


def test_an_event_that_cannot_be_recognised_has_no_key() -> None:
    (document,) = process(pipeline_of(ONE), b'{"message":"hi"}').documents

    assert document.key is None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("filter { drop {} } " + ONE, DropReason.FILTER),
        ('output { if [service] == "x" { elasticsearch { index => "a" } } }', DropReason.NO_OUTPUT),
        ("filter { if [service] > 5 { drop {} } } " + ONE, DropReason.CONDITION_ERROR),
        ("filter { }", DropReason.NO_OUTPUT),
    ],
)
def test_a_dropped_event_says_why(config: str, reason: DropReason) -> None:
    pipeline = pipeline_of(config)

    done = process(pipeline, payload())

    assert done.dropped == {("django", reason): 1}
    assert pipeline.explain(payload(), now_ns=NOW).reason == str(reason)


def test_where_one_target_is_illegal_the_whole_payload_is_one_letter() -> None:
    config = 'output { elasticsearch { index => "a" } elasticsearch { index => "B" } }'

    done = process(pipeline_of(config), payload())

    (letter,) = done.dead_letters
    assert (letter.reason, letter.payload) == ("illegal_data_stream", payload())
    assert letter.key is not None
    assert done.documents == []


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b'{"tags":{"a":1}}', b"\xff"])
def test_what_is_no_event_is_a_letter(raw: bytes) -> None:
    done = process(pipeline_of(ONE), raw)

    assert len(done.dead_letters) == 1
    assert done.received == {"other": 1}


def test_failures_of_filters_are_noted() -> None:
    config = 'filter { mutate { convert => { "[a][" => "integer" } } } ' + ONE

    done = process(pipeline_of(config), payload())

    assert done.tallies == {("django", "mutate_failure"): 1}


def test_an_explanation_tells_the_way_and_every_document() -> None:
    pipeline = pipeline_of('filter { if [service] == "x" { drop {} } mutate { } }', TWO)

    explained = pipeline.explain(payload(), now_ns=NOW)

    assert explained.outcome == "indexed"
    assert explained.data_stream == "logs,app"
    assert [one.targets for one in explained.events] == [("logs", "app")]
    told = [(one.place, one.text, one.outcome) for one in explained.passages]
    assert told[:2] == [
        ("0.conf:1:13", 'if [service] == "x"', "false"),
        ("0.conf:1:42", "mutate", "done"),
    ]


def test_a_broken_config_is_an_invalid_config_with_its_place() -> None:
    with pytest.raises(ConfigInvalid, match=r"0\.conf:1:10"):
        pipeline_of("filter { nonsense {} }")


def test_halves_of_surrogate_pairs_are_mended_in_the_document() -> None:
    raw = b'{"message":"x","service":"a\\ud800"}'

    (document,) = process(pipeline_of(ONE), raw).documents

    assert "\ufffd" in json.loads(document.body)["service"]


def test_a_large_chunk_keeps_the_order(tmp_path: Path) -> None:
    payloads = [payload(message=str(number)) for number in range(300)]

    done = process(pipeline_of(ONE), *payloads)

    assert [d.payload for d in done.documents] == payloads

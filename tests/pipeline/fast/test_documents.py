"""The fast path gives the result of the reference stages, under every setting."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.decode import is_plain
from ptingest.pipeline.fast import cache
from ptingest.pipeline.fast.documents import BuiltDocument
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from tests.pipeline.events import BASE, payloads
from tests.pipeline.test_profile_pipeline import NOW_NS, assert_same_fate, processed
from tests.support.profile import shipped_profile

USUAL = BASE | {
    "@timestamp": "2025-01-02T03:04:06.123Z",
    "service": "django",
    "message": "INFO|root|2025-01-02T03:04:05.678|x",
}


def fast_path(pipeline: ProfilePipeline, payload: bytes) -> BuiltDocument | None:
    if not is_plain(payload):
        return None
    try:
        event = pipeline.reader.decode(payload)
    except msgspec.DecodeError:
        return pipeline._unusual(payload, {})
    way = pipeline._builders.get(event.group)
    return way and way(event, None, payload, {})


def compact(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


SETTINGS: list[dict[str, Any]] = [
    {"timestamp_precision": "full"},
    {"parsing": "strict", "event_original": "drop"},
    {"event_original": "on_failure", "sanitise_names": "ecs"},
    {"timezone": "Asia/Kathmandu", "sanitise_names": "lower"},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=lambda each: ", ".join(each))
def test_both_ways_agree_under_other_settings(changes: dict[str, Any]) -> None:
    pipeline = compile_profile(shipped_profile(**changes))

    @settings(max_examples=80, deadline=None)
    @given(payload=payloads())
    def agree(payload: bytes) -> None:
        explained = pipeline.explain(payload, now_ns=NOW_NS)
        assert_same_fate(explained, processed(pipeline, payload))

    agree()


SHORT = {
    "an ordinary line": USUAL,
    "a line that no pattern fits": USUAL | {"message": "203.0.113.7 - -"},
    "a line with more pipes": USUAL | {"message": "INFO|root|2025-01-02 03:04:05,678|a|b"},
    "tags": USUAL | {"tags": ["prod"]},
    "a stream of the container input": USUAL | {"stream": "stderr"},
    "an unknown service": USUAL | {"service": "other-one"},
    "a module's event object": USUAL | {"event": {"dataset": "x", "module": "nginx"}},
    "fields of a user's own": USUAL | {"env": "prod", "ż": {"a": [1]}},
    "a log with other members": USUAL | {"log": BASE["log"] | {"level": "x"}},
    "no time of Filebeat's": {name: USUAL[name] for name in USUAL if name != "@timestamp"},
}


@pytest.mark.parametrize("event", SHORT.values(), ids=SHORT.keys())
def test_usual_events_take_the_fast_path(event: dict[str, Any], pipeline: ProfilePipeline) -> None:
    assert fast_path(pipeline, compact(event)) is not None


def test_spaces_between_tokens_do_not_take_an_event_off_the_fast_path(
    pipeline: ProfilePipeline,
) -> None:
    payload = json.dumps(USUAL, indent=1).encode()

    (document,) = processed(pipeline, payload).documents

    assert fast_path(pipeline, payload) is not None
    assert b"\n" not in document.body
    assert document.payload == payload


LONG = {
    "a preset field": compact(USUAL | {"log_level": "x"}),
    "an original of its own": compact(USUAL | {"event": {"original": "x"}}),
    "an event that is no object": compact(USUAL | {"event": "x"}),
    "a key twice": compact(USUAL)[:-1] + b',"host":{}}',
    "an illegal service": compact(USUAL | {"service": "Django"}),
    "a service that is no text": compact(USUAL | {"service": 5}),
    "another group": compact(USUAL | {"group": "crm"}),
    "a lone tag": compact(USUAL | {"tags": "a"}),
    "a long number": compact(USUAL)[:-1] + b',"n":' + b"1" * 5000 + b"}",
    "invalid UTF-8": compact(USUAL).replace(b"|x", b"|\xff"),
    "no JSON": b"{",
}


@pytest.mark.parametrize("payload", LONG.values(), ids=LONG.keys())
def test_uncertain_events_leave_the_fast_path(payload: bytes, pipeline: ProfilePipeline) -> None:
    assert fast_path(pipeline, payload) is None


def test_a_field_that_two_stages_set_switches_the_fast_path_off() -> None:
    groups = shipped_profile().model_dump(exclude_none=True)["groups"]
    groups[0]["categories"]["otherwise"] = {"log_level": "x"}
    pipeline = compile_profile(shipped_profile(groups=groups))

    (document,) = processed(
        pipeline, compact(USUAL | {"message": "INFO|x|2025-01-02T03:04:05|m"})
    ).documents

    assert fast_path(pipeline, compact(USUAL)) is None
    assert document.body.count(b'"log_level"') == 1


def test_more_values_than_are_remembered_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHED_VALUES", 2)
    pipeline = compile_profile(shipped_profile())
    sent = [
        compact(USUAL | {"service": f"s{number}", "tags": [str(number)], "message": "no time",
                         "@timestamp": f"2025-01-02T03:04:0{number}.123Z"})
        for number in range(9)
    ]  # fmt: skip

    bodies = [json.loads(document.body) for document in processed(pipeline, *sent, *sent).documents]

    assert bodies[:9] == bodies[9:]
    assert [body["data_stream"]["dataset"] for body in bodies[:9]] == [f"s{n}" for n in range(9)]


def test_services_are_labelled_from_the_profile_only(pipeline: ProfilePipeline) -> None:
    done = processed(pipeline, compact(USUAL), compact(USUAL | {"service": "made-up"}), b"{")

    assert done.received == {"django": 1, "other": 2}
    assert [document.service for document in done.documents] == ["django", "other"]

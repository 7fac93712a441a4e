"""Which events leave the short way, and why."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from benchmarks import corpus
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.tools.bench.slow_path_reasons import SlowPathReason, find_slow_path_reasons, why

NOW_NS = 1_735_787_045_000_000_000
PROFILE = load_profile(packaged_profile_path(), os.environ)
EVENT = (
    b'{"@timestamp":"2025-01-02T03:04:05.678Z","@metadata":{"beat":"filebeat"},'
    b'"message":"INFO|apps.x|2025-01-02T03:04:05Z|hi","group":"pt","service":"django"}'
)


def test_the_usual_events_take_the_short_way() -> None:
    assert (
        find_slow_path_reasons(PROFILE, [EVENT, *corpus.events(500, 3)], now_ns=NOW_NS) == Counter()
    )


CASES = {
    "no JSON": (b"not json", SlowPathReason.UNREADABLE, ""),
    "no object": (b"[1]", SlowPathReason.UNREADABLE, ""),
    "no UTF-8": (EVENT.replace(b"|hi", b"|\xff"), SlowPathReason.NOT_UTF8, ""),
    "half a surrogate pair": (EVENT.replace(b"|hi", rb"|\ud800"), SlowPathReason.NOT_UTF8, ""),
    "another group": (EVENT.replace(b'"pt"', b'"x"'), SlowPathReason.OTHER_GROUP, "group"),
    "a group that is a list": (
        EVENT.replace(b'"pt"', b'["pt"]'),
        SlowPathReason.OTHER_GROUP,
        "group",
    ),
    "no group": (EVENT.replace(b'"group"', b'"groop"'), SlowPathReason.OTHER_GROUP, "group"),
    "no message": (EVENT.replace(b'"message"', b'"massage"'), SlowPathReason.NO_MESSAGE, "message"),
    "a message that is a number": (
        EVENT.replace(b'"INFO|apps.x|2025-01-02T03:04:05Z|hi"', b"7"),
        SlowPathReason.NO_MESSAGE,
        "message",
    ),
    "no service": (EVENT.replace(b'"service"', b'"server"'), SlowPathReason.SERVICE, "service"),
    "an illegal service": (EVENT.replace(b"django", b"Django"), SlowPathReason.SERVICE, "service"),
    "a service that is a list": (
        EVENT.replace(b'"django"', b'["django"]'),
        SlowPathReason.SERVICE,
        "service",
    ),
    "an original is there": (
        EVENT.replace(b'{"@t', b'{"event":{"original":"a"},"@t', 1),
        SlowPathReason.FIELD_IN_THE_WAY,
        "event",
    ),
    "two fields are there": (
        EVENT.replace(b'{"@t', b'{"log_level":"x","event":[],"@t', 1),
        SlowPathReason.FIELD_IN_THE_WAY,
        "event, log_level",
    ),
    "a key twice": (EVENT.replace(b'{"@t', b'{"a":1,"a":2,"@t', 1), SlowPathReason.DOUBLE_KEY, ""),
    "a number without end": (
        EVENT.replace(b'{"@t', b'{"a":' + b"1" * 5000 + b',"@t', 1),
        SlowPathReason.UNREADABLE,
        "",
    ),
    "tags are a text": (EVENT.replace(b'{"@t', b'{"tags":"a","@t', 1), SlowPathReason.TAGS, "tags"),
    "the failure tag came with it": (
        EVENT.replace(b'{"@t', b'{"tags":["_grokparsefailure_pt"],"@t', 1),
        SlowPathReason.TAGS,
        "tags",
    ),
    "no time at all": (
        EVENT.replace(b'"@timestamp"', b'"@tamestimp"').replace(b"2025-01-02T03:04:05Z|", b"|"),
        SlowPathReason.NO_TIME,
        "@timestamp",
    ),
}


@pytest.mark.parametrize(("payload", "reason", "field"), CASES.values(), ids=CASES)
def test_a_detour_is_explained(payload: bytes, reason: SlowPathReason, field: str) -> None:
    found = find_slow_path_reasons(PROFILE, [EVENT, payload, EVENT], now_ns=NOW_NS)

    assert found == Counter({(reason, field): 1})


def test_events_with_spaces_between_their_tokens_are_no_detour() -> None:
    spaced = EVENT.replace(b",", b", ").replace(b'":', b'": ')

    assert find_slow_path_reasons(PROFILE, [spaced], now_ns=NOW_NS) == Counter()


def test_a_profile_whose_fields_meet_sends_all_events_the_long_way() -> None:
    group = PROFILE.groups[0]
    meeting = group.model_copy(update={"fields": {"module": "pt"}})
    profile = PROFILE.model_copy(update={"groups": (meeting,)})

    assert find_slow_path_reasons(profile, [EVENT], now_ns=NOW_NS) == Counter(
        {(SlowPathReason.PROFILE, ""): 1}
    )


def test_a_service_that_is_not_allowed_is_the_reason() -> None:
    group = PROFILE.groups[0].model_copy(update={"only_known_services": True})
    pipeline = compile_profile(PROFILE.model_copy(update={"groups": (group,)}))

    reason = why(pipeline, EVENT.replace(b"django", b"unknown-one"))

    assert reason == (SlowPathReason.SERVICE, "service")

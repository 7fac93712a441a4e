from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ptingest.model.receipt import Receipt
from ptingest.pipeline.identity import event_key, framed_text, framed_value
from ptingest.pipeline.pipeline import Pipeline

NOW_NS = 1_795_444_444_123_456_789
EVENT: dict[str, Any] = {
    "@timestamp": "2025-01-02T03:04:06.123Z",
    "agent": {"id": "a-1", "ephemeral_id": "e-1", "name": "x"},
    "log": {"offset": 7, "file": {"path": "/p", "device_id": "1", "inode": "2"}},
    "host": {"name": "h"},
    "group": "pt",
    "service": "django",
    "message": "INFO|root|2025-01-02T03:04:05.678|x",
}


def key_of(pipeline: Pipeline, event: dict[str, Any], **dumping: Any) -> str | None:
    return pipeline.explain(json.dumps(event, **dumping).encode(), now_ns=NOW_NS).key


def test_a_key_is_22_characters_led_by_the_events_time(pipeline: Pipeline) -> None:
    key = key_of(pipeline, EVENT)

    assert key is not None
    assert len(key) == 22
    decoded = base64.urlsafe_b64decode(key + "==")
    assert int.from_bytes(decoded[:6], "big") == 1_735_787_045_000


SAME = {
    "the order of keys": {name: EVENT[name] for name in reversed(EVENT)},
    "agent.ephemeral_id": EVENT | {"agent": {"ephemeral_id": "e-2", "id": "a-1", "version": "9"}},
    "Filebeat's own time": EVENT | {"@timestamp": "2025-01-03T00:00:00.000Z"},
    "a missing time of Filebeat": {k: v for k, v in EVENT.items() if k != "@timestamp"},
    "the path, where there is an inode": EVENT
    | {"log": {"offset": 7, "file": {"path": "/q", "device_id": "1", "inode": "2"}}},
    "fields beside": EVENT | {"tags": ["x"], "input": {"type": "log"}},
}


@pytest.mark.parametrize("event", SAME.values(), ids=SAME.keys())
def test_what_changes_on_a_resend_changes_no_key(event: dict[str, Any], pipeline: Pipeline) -> None:
    assert key_of(pipeline, event) == key_of(pipeline, EVENT)


OTHER = {
    "agent.id": EVENT | {"agent": {"id": "a-2"}},
    "log.offset": EVENT | {"log": {"offset": 8, "file": EVENT["log"]["file"]}},
    "the inode": EVENT | {"log": {"offset": 7, "file": {"device_id": "1", "inode": "3"}}},
    "the device": EVENT | {"log": {"offset": 7, "file": {"device_id": "2", "inode": "2"}}},
    "a fingerprint for an inode": EVENT | {"log": {"offset": 7, "file": {"fingerprint": "2"}}},
    "a path for an inode": EVENT | {"log": {"offset": 7, "file": {"path": "2"}}},
    "host.name": EVENT | {"host": {"name": "i"}},
    "the message": EVENT | {"message": "INFO|root|2025-01-02T03:04:05.678|y"},
}


@pytest.mark.parametrize("event", OTHER.values(), ids=OTHER.keys())
def test_what_tells_events_apart_changes_the_key(event: dict[str, Any], pipeline: Pipeline) -> None:
    assert key_of(pipeline, event) not in (None, key_of(pipeline, EVENT))


NONE = {
    "agent": {k: v for k, v in EVENT.items() if k != "agent"},
    "agent.id": EVENT | {"agent": {"name": "x"}},
    "an agent.id with text": EVENT | {"agent": {"id": ""}},
    "a textual agent.id": EVENT | {"agent": {"id": 5}},
    "log": {k: v for k, v in EVENT.items() if k != "log"},
    "log.offset": EVENT | {"log": {"file": {"path": "/p"}}},
    "a whole log.offset": EVENT | {"log": {"offset": 1.5}},
    "a log.offset below 2^64": EVENT | {"log": {"offset": 1 << 70}},
    "a log that is an object": EVENT | {"log": "x"},
}


@pytest.mark.parametrize("event", NONE.values(), ids=NONE.keys())
def test_without_it_there_is_no_key(event: dict[str, Any], pipeline: Pipeline) -> None:
    assert key_of(pipeline, event) is None


def test_escapes_and_space_change_no_key(pipeline: Pipeline) -> None:
    event = EVENT | {"message": "INFO|root|2025-01-02T03:04:05.678|żółć", "host": "ż"}

    spaced = key_of(pipeline, event, ensure_ascii=True, indent=1)

    assert spaced == key_of(pipeline, event, ensure_ascii=False, separators=(",", ":"))
    assert spaced is not None


@pytest.mark.parametrize(
    "time", ["2025-01-02 03:04:05.678", "2025-01-02 03:04:05", "2025-02-30T03:04:05"]
)
def test_a_time_logstash_cannot_read_still_makes_a_lasting_key(
    time: str, pipeline: Pipeline
) -> None:
    event = EVENT | {"message": f"INFO|root|{time}|x"}

    again = key_of(pipeline, event | {"@timestamp": "2025-01-09T00:00:00.000Z"})

    assert key_of(pipeline, event) == again


def test_events_without_own_time_are_told_apart_by_filebeats(pipeline: Pipeline) -> None:
    event = EVENT | {"message": "no time"}

    assert key_of(pipeline, event) != key_of(
        pipeline, event | {"@timestamp": "2025-01-02T03:04:06.124Z"}
    )


@pytest.mark.parametrize(("millis", "prefix"), [(-5, 0), (0, 0), (5, 5), (1 << 60, (1 << 48) - 1)])
def test_the_time_is_clamped_to_six_bytes(millis: int, prefix: int) -> None:
    key = event_key(Raw(b'{"id":"a"}'), None, Raw(b'{"offset":1}'), "m", None, millis)

    assert key is not None
    assert int.from_bytes(base64.urlsafe_b64decode(key + "==")[:6], "big") == prefix


TUPLES = st.tuples(st.text(min_size=1), st.text(), st.integers(0, 10**6), st.text(), st.text())


@given(one=TUPLES, other=TUPLES)
def test_no_two_events_share_their_framing(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    def key(agent: str, host: str, offset: int, message: str, time: str) -> str | None:
        return event_key(
            Raw(json.dumps({"id": agent}).encode()),
            Raw(json.dumps({"name": host}).encode()),
            Raw(json.dumps({"offset": offset}).encode()),
            message,
            time,
            0,
        )

    assert (key(*one) == key(*other)) is (one == other)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 200_000])
def test_a_text_is_framed_as_messagepack_does_however_long(length: int) -> None:
    assert framed_text(b"x" * length) == framed_value("x" * length)


@pytest.mark.parametrize("length", [10, 300, 70_000])
@pytest.mark.parametrize("letter", ["x", "\n", "ż", "📦"])
def test_both_ways_give_a_message_of_any_length_one_key(
    pipeline: Pipeline, letter: str, length: int
) -> None:
    event = {**EVENT, "message": EVENT["message"] + letter * length}
    payload = json.dumps(event, ensure_ascii=False).encode()

    (document,) = pipeline.process(
        [payload], receipt=Receipt(lambda _: None), peer="", now_ns=NOW_NS
    ).documents

    assert document.key is not None
    assert document.key == key_of(pipeline, event)

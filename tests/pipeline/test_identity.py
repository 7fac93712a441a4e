from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ptingest.model.receipt import Receipt
from ptingest.pipeline.identity import event_key, framed_text, framed_value, known_by, part_key
from ptingest.pipeline.profile_pipeline import ProfilePipeline

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


def key_of(pipeline: ProfilePipeline, event: dict[str, Any], **dumping: Any) -> str | None:
    return pipeline.explain(json.dumps(event, **dumping).encode(), now_ns=NOW_NS).key


def test_a_key_is_22_characters_led_by_the_events_time(pipeline: ProfilePipeline) -> None:
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
def test_what_changes_on_a_resend_changes_no_key(
    event: dict[str, Any], pipeline: ProfilePipeline
) -> None:
    assert key_of(pipeline, event) == key_of(pipeline, EVENT)


OTHER = {
    "agent.id": EVENT | {"agent": {"id": "a-2"}},
    "log.offset": EVENT | {"log": {"offset": 8, "file": EVENT["log"]["file"]}},
    "the inode": EVENT | {"log": {"offset": 7, "file": {"device_id": "1", "inode": "3"}}},
    "an inode used again, by its fingerprint": EVENT
    | {"log": {"offset": 7, "file": EVENT["log"]["file"] | {"path": "/q", "fingerprint": "f"}}},
    "the device": EVENT | {"log": {"offset": 7, "file": {"device_id": "2", "inode": "2"}}},
    "a fingerprint for an inode": EVENT | {"log": {"offset": 7, "file": {"fingerprint": "2"}}},
    "a path for an inode": EVENT | {"log": {"offset": 7, "file": {"path": "2"}}},
    "host.name": EVENT | {"host": {"name": "i"}},
    "the message": EVENT | {"message": "INFO|root|2025-01-02T03:04:05.678|y"},
}


@pytest.mark.parametrize("event", OTHER.values(), ids=OTHER.keys())
def test_what_tells_events_apart_changes_the_key(
    event: dict[str, Any], pipeline: ProfilePipeline
) -> None:
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
    "log.file": EVENT | {"log": {"offset": 7}},
    "a log.file that is not null": EVENT | {"log": {"offset": 7, "file": None}},
    "anything in log.file": EVENT | {"log": {"offset": 7, "file": {}}},
    "a path with text": EVENT | {"log": {"offset": 7, "file": {"path": ""}}},
    "a path of text": EVENT | {"log": {"offset": 7, "file": {"path": ["/p"]}}},
    "a path beside an inode without device": EVENT | {"log": {"offset": 7, "file": {"inode": "2"}}},
    "a log.file that is an object": EVENT | {"log": {"offset": 7, "file": "/p"}},
    "host": {k: v for k, v in EVENT.items() if k != "host"},
    "a host that is not null": EVENT | {"host": None},
    "host.name": EVENT | {"host": {"ip": ["192.0.2.1", "192.0.2.2"], "id": "h"}},
    "a host.name with text": EVENT | {"host": {"name": ""}},
    "one host.name": EVENT | {"host": {"name": ["h", "i"]}},
    "a host with text": EVENT | {"host": ""},
    "the container of a pod": {
        **EVENT, "log": {"offset": 7}, "kubernetes": {"pod": {"uid": "u"}}
    },
    "a container.id of text": {**EVENT, "log": {"offset": 7}, "container": {"id": 5}},
    "any time": {k: v for k, v in EVENT.items() if k != "@timestamp"} | {"message": "no time"},
    "a time that can be read": EVENT | {"message": "no time", "@timestamp": "soon"},
}  # fmt: skip


@pytest.mark.parametrize("event", NONE.values(), ids=NONE.keys())
def test_without_it_there_is_no_key(event: dict[str, Any], pipeline: ProfilePipeline) -> None:
    assert key_of(pipeline, event) is None


def both_keys(pipeline: ProfilePipeline, *events: dict[str, Any]) -> list[str | None]:
    """Keys from the fast path, or else from the reference stages, in one window."""
    payloads = [json.dumps(event, separators=(",", ":")).encode() for event in events]
    done = pipeline.process(payloads, receipt=Receipt(lambda _: None), peer="", now_ns=NOW_NS)
    keys = [document.key for document in done.documents]
    assert keys == [key_of(pipeline, event) for event in events]
    return keys


def with_file(**file: Any) -> dict[str, Any]:
    return EVENT | {"log": {"offset": 7, "file": file}}


def without_file(**around: Any) -> dict[str, Any]:
    return EVENT | {"log": {"offset": 7}} | around


def in_pod(uid: str, name: str) -> dict[str, Any]:
    return without_file(kubernetes={"pod": {"uid": uid}, "container": {"name": name}})


APART = {
    "containers": [without_file(container={"id": name}) for name in "ab"],
    "containers beside an empty log.file": [
        with_file() | {"container": {"id": name}} for name in "ab"
    ],
    "containers beside a null log.file": [
        EVENT | {"log": {"offset": 7, "file": None}, "container": {"id": name}} for name in "ab"
    ],
    "pods": [in_pod(uid, "web") for uid in "ab"],
    "containers of one pod": [in_pod("u", name) for name in "ab"],
    "files under one inode, one after the other": [
        with_file(path=f"/{name}", device_id="1", inode="2", fingerprint=name) for name in "ab"
    ],
    "paths beside an inode without device": [
        with_file(path=f"/{name}", inode="2") for name in "ab"
    ],
    "paths beside an inode of 0": [
        with_file(path=f"/{name}", inode="0", device_id="1") for name in "ab"
    ],
    "paths": [with_file(path=f"/{name}") for name in "ab"],
    "files of Windows": [with_file(vol="1", idxhi="2", idxlo=lo, path="/p") for lo in ("3", "4")],
    "hosts by name": [EVENT | {"host": {"name": name}} for name in "ab"],
    "hosts as text": [EVENT | {"host": name} for name in "ab"],
}


@pytest.mark.parametrize("events", APART.values(), ids=APART.keys())
def test_what_tells_two_places_apart_gives_them_two_lasting_keys(
    events: list[dict[str, Any]], pipeline: ProfilePipeline
) -> None:
    one, other = both_keys(pipeline, *events)
    again = [event | {"@timestamp": "2025-01-09T00:00:00.000Z"} for event in events]

    assert None not in (one, other)
    assert one != other
    assert both_keys(pipeline, *again) == [one, other]


@pytest.mark.parametrize(
    "event",
    [
        without_file(),
        with_file(),
        without_file(container={}, kubernetes=None),
        EVENT | {"host": None},
        EVENT | {"host": {"ip": ["192.0.2.1"]}},
    ],
)
def test_where_nothing_tells_files_or_hosts_apart_there_is_no_key(
    event: dict[str, Any], pipeline: ProfilePipeline
) -> None:
    assert both_keys(pipeline, event) == [None]


RENAMED = {
    "device and inode": {"device_id": "1", "inode": "2"},
    "device, inode and fingerprint": {"device_id": "1", "inode": "2", "fingerprint": "f"},
    "a fingerprint": {"fingerprint": "f"},
    "the index of Windows": {"vol": "1", "idxhi": "0", "idxlo": "3"},
}


@pytest.mark.parametrize("file", RENAMED.values(), ids=RENAMED.keys())
def test_a_file_that_was_renamed_keeps_its_keys(
    file: dict[str, str], pipeline: ProfilePipeline
) -> None:
    before, after = (with_file(path=path, **file) for path in ("/django.log", "/django.log.1"))

    one, other = both_keys(pipeline, before, after)

    assert one is not None
    assert one == other


LINES_WITH_TIME = [
    '203.0.113.7 - - [02/Jan/2025:03:04:05 +0000] "GET / HTTP/1.1" 200 5 "-" "x"',
    "2025/01/02 03:04:05 [error] 31#31: *7 connect() failed",
    '{"level":"error","msg":"failed","time":"2025-01-02T03:04:05Z"}',
    '{"level":50,"time":1735787045000,"msg":"failed"}',
    "INFO:root:2025-01-02 03:04:05 started",
    "Traceback:\n  at 2025-01-02 03:04:05\n  at 2026-01-02 03:04:05",
]


@pytest.mark.parametrize("line", LINES_WITH_TIME)
def test_a_line_that_no_pattern_fits_is_keyed_by_its_own_time(
    line: str, pipeline: ProfilePipeline
) -> None:
    event = EVENT | {"message": line}
    read_again = event | {
        "@timestamp": "2025-01-09T00:00:00.000Z",
        "agent": {"id": "a-1", "ephemeral_id": "e-2"},
    }

    one, other = both_keys(pipeline, event, read_again)

    assert one is not None
    assert one == other
    started = int.from_bytes(base64.urlsafe_b64decode(one + "==")[:6], "big")
    assert started == 1_735_787_045_000


@pytest.mark.parametrize("before", ["", "2025-01-02T03:04:05 stolen\n", "02/Jan/2025:03:04:05\n"])
def test_a_captured_time_that_cannot_be_read_is_the_lines_own_all_the_same(
    before: str, pipeline: ProfilePipeline
) -> None:
    event = EVENT | {"message": f"{before}INFO|django.request|2025-01-02T0304|x"}

    (key,) = both_keys(pipeline, event)

    assert key is not None
    assert base64.urlsafe_b64decode(key + "==")[:6] == bytes(6)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (EVENT, "inode"),
        (with_file(vol="1", idxhi="2", idxlo="3"), "inode"),
        (with_file(fingerprint="f", path="/p"), "fingerprint"),
        (with_file(path="/p"), "path"),
        (with_file(path="/p", inode="2"), "path"),
        (without_file(container={"id": "c"}), "container"),
        (without_file(), "nothing"),
        (EVENT | {"host": {}}, "nothing"),
        (EVENT | {"log": {"source": {"address": "192.0.2.1"}}}, None),
        ({"message": "x"}, None),
        (EVENT | {"log": "x"}, None),
    ],
)
def test_an_event_tells_by_what_its_file_is_known(event: dict[str, Any], kind: str | None) -> None:
    assert known_by(json.dumps(event).encode()) == kind


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[1]", b"[" * 5000, b'{"log":{"offset":1}'])
def test_bytes_that_are_no_event_tell_nothing(payload: bytes) -> None:
    assert known_by(payload) is None


def test_escapes_hide_no_time(pipeline: ProfilePipeline) -> None:
    text = json.dumps(EVENT | {"message": "at 02/Jan/2025:03:04:05"}, separators=(",", ":"))
    escaped = text.replace("02/Jan", r"\u0030\u0032\/Jan")

    done = pipeline.process(
        [text.encode(), escaped.encode()],
        receipt=Receipt(lambda _: None),
        peer="",
        now_ns=NOW_NS,
    )

    assert escaped != text
    assert len({document.key for document in done.documents}) == 1


def test_escapes_and_space_change_no_key(pipeline: ProfilePipeline) -> None:
    event = EVENT | {"message": "INFO|root|2025-01-02T03:04:05.678|żółć", "host": "ż"}

    spaced = key_of(pipeline, event, ensure_ascii=True, indent=1)

    assert spaced == key_of(pipeline, event, ensure_ascii=False, separators=(",", ":"))
    assert spaced is not None


@pytest.mark.parametrize(
    "time", ["2025-01-02 03:04:05.678", "2025-01-02 03:04:05", "2025-02-30T03:04:05"]
)
def test_a_time_logstash_cannot_read_still_makes_a_lasting_key(
    time: str, pipeline: ProfilePipeline
) -> None:
    event = EVENT | {"message": f"INFO|root|{time}|x"}

    again = key_of(pipeline, event | {"@timestamp": "2025-01-09T00:00:00.000Z"})

    assert key_of(pipeline, event) == again


def test_events_without_own_time_are_told_apart_by_filebeats(pipeline: ProfilePipeline) -> None:
    event = EVENT | {"message": "no time"}

    assert key_of(pipeline, event) != key_of(
        pipeline, event | {"@timestamp": "2025-01-02T03:04:06.124Z"}
    )


def members(agent: str = "a", host: str = "h", path: str = "/p", offset: int = 1) -> dict[str, Raw]:
    values = {
        "agent": {"id": agent},
        "host": {"name": host},
        "log": {"offset": offset, "file": {"path": path}},
    }
    return {name: Raw(json.dumps(value).encode()) for name, value in values.items()}


@pytest.mark.parametrize(("millis", "prefix"), [(-5, 0), (0, 0), (5, 5), (1 << 60, (1 << 48) - 1)])
def test_the_time_is_clamped_to_six_bytes(millis: int, prefix: int) -> None:
    key = event_key(members(), "m", "t", millis)

    assert key is not None
    assert int.from_bytes(base64.urlsafe_b64decode(key + "==")[:6], "big") == prefix


NAMES = st.text(min_size=1)
TUPLES = st.tuples(NAMES, NAMES, NAMES, st.integers(0, 10**6), st.text(), st.text())


@given(one=TUPLES, other=TUPLES)
def test_no_two_events_share_their_framing(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    def key(agent: str, host: str, path: str, offset: int, message: str, time: str) -> str | None:
        return event_key(members(agent, host, path, offset), message, time, 0)

    assert key(*one) is not None
    assert (key(*one) == key(*other)) is (one == other)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 200_000])
def test_a_text_is_framed_as_messagepack_does_however_long(length: int) -> None:
    assert framed_text(b"x" * length) == framed_value("x" * length)


@pytest.mark.parametrize("length", [10, 300, 70_000])
@pytest.mark.parametrize("letter", ["x", "\n", "ż", "📦"])
def test_both_ways_give_a_message_of_any_length_one_key(
    pipeline: ProfilePipeline, letter: str, length: int
) -> None:
    event = {**EVENT, "message": EVENT["message"] + letter * length}
    payload = json.dumps(event, ensure_ascii=False).encode()

    (document,) = pipeline.process(
        [payload], receipt=Receipt(lambda _: None), peer="", now_ns=NOW_NS
    ).documents

    assert document.key is not None
    assert document.key == key_of(pipeline, event)


def test_parts_of_one_event_have_keys_of_their_own_with_its_time() -> None:
    key = "AZQk-GCIqXZhYXCI4nL6xg"

    parts = [part_key(key, number) for number in range(3)]

    assert parts[0] == key
    assert len(set(parts)) == 3
    assert {part[:8] for part in parts} == {key[:8]}
    assert {len(part) for part in parts} == {22}

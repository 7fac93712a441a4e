"""Keys of events that a logstash.conf processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ptingest.pipeline.decode import Decoded, decode_payload
from ptingest.pipeline.logstash.keys import EventKeys

EVENT = {
    "@timestamp": "2025-01-02T03:04:06.123Z", "message": "hi at 2025-01-02T03:04:05Z",
    "agent": {"id": "a", "name": "n"}, "host": {"name": "h"},
    "log": {"offset": 7, "file": {"path": "/x", "inode": "12", "device_id": "3"}},
}  # fmt: skip
KEYS = EventKeys()


def key(event: dict[str, Any], **dumping: Any) -> str | None:
    payload = json.dumps(event, **dumping).encode()
    sent = decode_payload(payload)
    assert isinstance(sent, Decoded)
    return KEYS.key_of(sent.event)


def test_a_resent_event_has_its_key_again_in_any_order_and_spelling() -> None:
    again = dict(reversed(EVENT.items())) | {"@timestamp": "2025-01-02T09:00:00.000Z"}

    assert key(EVENT) == key(again) == key(EVENT, indent=1)
    assert key({**EVENT, "message": "é 2025-01-02T03:04:05Z"}) == key(
        {**EVENT, "message": "é 2025-01-02T03:04:05Z"}, ensure_ascii=False
    )


@pytest.mark.parametrize(
    "change",
    [{"message": "ho at 2025-01-02T03:04:05Z"}, {"agent": {"id": "b"}}, {"host": {"name": "i"}},
     {"log": {**EVENT["log"], "offset": 8}}],  # type: ignore[dict-item]
)  # fmt: skip
def test_another_event_has_another_key(change: dict[str, Any]) -> None:
    assert key({**EVENT, **change}) not in (None, key(EVENT))


def test_a_line_without_a_time_has_filebeats() -> None:
    line = {**EVENT, "message": "hi"}

    assert key(line) not in (None, key({**line, "@timestamp": "2025-01-02T03:04:07.123Z"}))


@pytest.mark.parametrize("missing", ["agent", "host", "log"])
def test_what_is_not_identified_has_no_key(missing: str) -> None:
    assert key({name: value for name, value in EVENT.items() if name != missing}) is None


def test_odd_members_are_read_all_the_same() -> None:
    odd = {**EVENT, "log": {**EVENT["log"], "flags": ["multiline"]}}  # type: ignore[dict-item]

    assert key(odd) == key(EVENT)


def test_what_is_no_text_or_names_no_file_is_identified_as_in_a_profile() -> None:
    container = {**EVENT, "log": {"offset": 7}, "container": {"id": "c"}}

    assert key(container) not in (None, key({**container, "container": {"id": "d"}}))
    assert key({**EVENT, "message": 7}) not in (None, key(EVENT))
    assert key({**EVENT, "message": "hi", "@timestamp": 7}) is None


@pytest.mark.parametrize("inode", [1 << 70, -(1 << 70), 1.5, [1]])
def test_an_odd_number_of_a_file_is_no_error(inode: object) -> None:
    log = {"offset": 7, "file": {"inode": inode, "device_id": 3}}

    assert key({**EVENT, "log": log}) is None


def test_a_time_with_escapes_is_the_same_time() -> None:
    line = {**EVENT, "message": "hi"}
    sent = json.dumps(line).replace("2025-01-02T03:04:06", r"2025\u002d01-02T03:04:06").encode()
    found = decode_payload(sent)
    assert isinstance(found, Decoded)

    assert KEYS.key_of(found.event) == key(line)

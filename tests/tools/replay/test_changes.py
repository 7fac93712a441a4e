"""What other rules change is counted by service and field, and by what becomes of events."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from msgspec.structs import replace

from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import DeadLetter, Processed
from ptingest.tools.replay.changes import Changes, Example
from tests.support.documents import DJANGO, document

NGINX = DataStream("logs", "nginx", "pt")


def made(
    payload: bytes,
    body: Mapping[str, object],
    *,
    key: str | None = "k",
    stream: DataStream = DJANGO,
) -> Document:
    one = document(body=orjson.dumps(body), key=key, stream=stream)
    return replace(one, payload=payload, service="django")


def compared(payload: bytes, before: Processed, after: Processed) -> Changes:
    changes = Changes()
    changes.add([payload], before, after)
    return changes


def test_equal_documents_are_no_change_whatever_the_order_of_their_fields() -> None:
    payload = b"one"
    changes = compared(
        payload,
        Processed([made(payload, {"a": 1, "b": {"c": 2}})]),
        Processed([made(payload, {"b": {"c": 2}, "a": 1})]),
    )

    assert (changes.events, changes.unchanged) == (1, 1)
    assert not changes.fields


def test_each_field_that_differs_is_counted_with_an_example() -> None:
    changes = Changes()
    for number in range(3):
        payload = b"%d" % number
        before = Processed([made(payload, {"level": "INFO", "n": number})])
        after = Processed([made(payload, {"level": "WARN", "n": number, "host": {"name": "a"}})])
        changes.add([payload], before, after)

    assert changes.fields == {("django", "level"): 3, ("django", "host.name"): 3}
    assert changes.examples["django", "level"] == Example("INFO", "WARN")
    assert (changes.events, changes.unchanged) == (3, 0)


def test_another_key_is_a_change() -> None:
    payload = b"one"

    changes = compared(
        payload, Processed([made(payload, {})]), Processed([made(payload, {}, key="other")])
    )

    assert changes.fields == {("django", "_id"): 1}


def test_what_becomes_of_an_event_is_told_in_place_of_its_fields() -> None:
    moved, gone, failed, dropped = b"moved", b"gone", b"failed", b"dropped"
    letter = DeadLetter("not_json", "no JSON", failed, "django", "-")
    changes = Changes()

    changes.add(
        [moved, gone, failed, dropped],
        Processed([made(moved, {}), made(gone, {}), made(failed, {})]),
        Processed([made(moved, {"x": 1}, stream=NGINX)], dead_letters=[letter]),
    )

    assert changes.fates == {
        ("django", "logs-django-pt", "logs-nginx-pt"): 1,
        ("django", "logs-django-pt", "dropped"): 1,
        ("django", "logs-django-pt", "a dead letter (not_json)"): 1,
    }
    assert not changes.fields
    assert (changes.events, changes.unchanged) == (4, 1)


def test_several_documents_of_one_event_are_compared_one_by_one() -> None:
    payload = b"one"

    changes = compared(
        payload,
        Processed([made(payload, {"n": 1}), made(payload, {"n": 2})]),
        Processed([made(payload, {"n": 1}), made(payload, {"n": 3})]),
    )

    assert changes.fields == {("django", "n"): 1}

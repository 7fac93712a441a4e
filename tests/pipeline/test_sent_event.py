from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given

from ptingest.pipeline.compile import compile_profile
from ptingest.settings.profile import PatternSettings
from tests.pipeline.events import payloads
from tests.pipeline.test_profile_pipeline import PIPELINE, VECTORS, processed
from tests.support.profile import shipped_profile

LINE = "ERROR|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 is lost"


def document_of(event: dict[str, Any], pipeline: Any = PIPELINE) -> bytes:
    (document,) = processed(pipeline, json.dumps(event).encode()).documents
    return bytes(document.body)


def again(body: bytes, pipeline: Any = PIPELINE) -> Any:
    event = pipeline.event_of(body)
    (document,) = processed(pipeline, event).documents
    return json.loads(document.body)


@given(payloads())
def test_under_the_same_rules_an_event_becomes_the_same_document_again(payload: bytes) -> None:
    documents = processed(PIPELINE, payload).documents
    assume(documents)
    first = json.loads(documents[0].body)
    # A field that was no object is one in the document, and is left so: the event goes on then
    # to the data stream of its service.
    assume("_mutate_error" not in first["tags"] and first["data_stream"]["namespace"] == "pt")

    assert in_any_order(again(documents[0].body)) == in_any_order(first)


def in_any_order(document: dict[str, Any]) -> dict[str, Any]:
    """Tags are a set: an event that was sent with ours may have them in another order, or twice."""
    return {**document, "tags": sorted(set(document["tags"]))}


@pytest.mark.parametrize("case", VECTORS["pipeline"], ids=lambda case: case["name"])
def test_logstashs_own_documents_become_themselves_again(case: dict[str, Any]) -> None:
    documents = processed(PIPELINE, json.dumps(case["event"]).encode()).documents
    if not documents:
        return
    first = json.loads(documents[0].body)
    if "_mutate_error" not in first["tags"] and first["data_stream"]["namespace"] == "pt":
        assert in_any_order(again(documents[0].body)) == in_any_order(first)


def test_what_patterns_and_the_input_added_is_not_in_the_event() -> None:
    sent = {"group": "pt", "service": "django", "message": LINE, "log_level": "sent", "tags": ["a"]}

    event = json.loads(PIPELINE.event_of(document_of(sent)) or b"")

    assert event["log_level"] == ["sent"]
    assert event["tags"] == ["a"]
    assert "original" not in event["event"]
    assert {"logger_name", "log_message", "log_ms", "log_timestamp"}.isdisjoint(event)


def test_a_pattern_that_fits_by_now_takes_the_failure_tag_away() -> None:
    older = shipped_profile()
    group = older.groups[0]
    other = PatternSettings(name="other", regex="^(?P<log_level>never)$")
    narrow = group.model_copy(update={"patterns": (other,)})
    before = compile_profile(older.model_copy(update={"groups": (narrow,)}))
    body = document_of({"group": "pt", "service": "django", "message": LINE}, before)
    assert group.failure_tag in json.loads(body)["tags"]

    now = again(body)

    assert now["log_message"] == "Parcel 42 is lost"
    assert group.failure_tag not in now["tags"]


@pytest.mark.parametrize("body", [b'{"group":"crm","message":"x"}', b"[1]", b"no json"])
def test_a_document_of_no_group_stays_as_it_is(body: bytes) -> None:
    assert PIPELINE.event_of(body) == body

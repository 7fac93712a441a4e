"""The whole pipeline: documents recorded from Logstash, and a plain reference on any input."""

from __future__ import annotations

import json
import re
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from ptingest.model.outcome import DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.decode import MAX_DEPTH
from ptingest.pipeline.pipeline import Explanation, Pipeline
from ptingest.settings.profile import CategoryRule, PatternSettings
from tests.pipeline.events import mutated, payloads
from tests.pipeline.reference import answer
from tests.support.profile import shipped_profile

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
NOW_NS = 1_795_444_444_123_456_789
NOW_TEXT = "2026-11-23T14:34:04.123456789Z"
RECEIPT = Receipt(lambda _: None)
PIPELINE = compile_profile(shipped_profile())


def processed(pipeline: Pipeline, *payloads: bytes) -> Processed:
    return pipeline.process(payloads, receipt=RECEIPT, peer="192.0.2.7:5", now_ns=NOW_NS)


def comparable(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """Objects as text are compared parsed: their key order is arbitrary in Logstash."""
    if document is None:
        return None
    document = json.loads(json.dumps(document))
    if document.get("@timestamp") == NOW_TEXT:
        document["@timestamp"] = "<now>"
    stream = document.get("data_stream")
    if isinstance(stream, dict) and str(stream.get("dataset")).startswith("{"):
        with suppress(ValueError):
            stream["dataset"] = json.loads(stream["dataset"])
    return document


def without_objects(name: str | None) -> str | None:
    return name and re.sub(r"\{\".*\}", "{}", name)


@pytest.mark.parametrize("case", VECTORS["pipeline"], ids=lambda case: case["name"])
def test_documents_equal_logstashs(case: dict[str, Any], pipeline: Pipeline) -> None:
    payload = json.dumps(case["event"]).encode()
    expected = case["expect"]

    explained = pipeline.explain(payload, now_ns=NOW_NS)
    done = processed(pipeline, payload)

    if not expected["routed"]:
        assert explained.outcome == "dropped"
        assert sum(done.dropped.values()) == 1
        return
    assert without_objects(explained.data_stream) == without_objects(expected["data_stream_name"])
    assert comparable(explained.document) == comparable(expected["doc"])
    assert (explained.reason == "index_interpolation") is expected["index_interpolation_error"]
    for document in done.documents:
        assert comparable(json.loads(document.body)) == comparable(expected["doc"])
        assert document.target.name == expected["data_stream_name"]


def test_a_dropped_event_is_shown_as_the_beats_input_leaves_it(pipeline: Pipeline) -> None:
    payload = b'{"@timestamp":"2025-01-02T03:04:06.1Z","@metadata":{},"group":"crm","message":"x"}'

    explained = pipeline.explain(payload, now_ns=NOW_NS)

    assert (explained.outcome, explained.reason) == ("dropped", "other_group")
    assert explained.document == {
        "@timestamp": "2025-01-02T03:04:06.100Z",
        "@version": "1",
        "group": "crm",
        "message": "x",
        "event": {"original": "x"},
        "tags": ["beats_input_codec_plain_applied"],
    }


def assert_twins(payload: bytes) -> None:
    expected = answer(payload)

    explained = PIPELINE.explain(payload, now_ns=NOW_NS)
    done = processed(PIPELINE, payload)

    assert (explained.outcome, explained.reason) == (expected.outcome, expected.reason)
    if explained.document is not None:
        assert set(explained.notes) - {"loose_match"} == expected.notes
    if expected.document is not None:
        assert comparable(explained.document) == comparable(expected.document)
        assert explained.data_stream == expected.data_stream
        assert explained.key == expected.key
    assert_same_fate(explained, done)


def assert_same_fate(explained: Explanation, done: Processed) -> None:
    """``process`` gives the result that ``explain`` shows, on the fast path and without it."""
    assert sum(done.received.values()) == 1
    assert {what for _, what in done.tallies} == set(explained.notes)
    match explained.outcome:
        case "indexed":
            (document,) = done.documents
            assert json.loads(document.body) == explained.document
            assert b"\n" not in document.body
            assert document.target.name == explained.data_stream
            assert document.key == explained.key
        case "dead_letter":
            (letter,) = done.dead_letters
            assert (letter.reason, letter.detail) == (explained.reason, explained.detail)
            assert (letter.data_stream, letter.key) == (explained.data_stream, explained.key)
        case "dropped":
            assert [reason for _, reason in done.dropped] == [DropReason(explained.reason or "")]


@settings(max_examples=200, deadline=None)
@given(payload=payloads())
@pytest.mark.slow
def test_any_event_fares_as_in_the_plain_twin(payload: bytes) -> None:
    assert_twins(payload)


@settings(max_examples=200, deadline=None)
@given(payload=mutated())
@pytest.mark.slow
def test_broken_bytes_fare_as_in_the_plain_twin(payload: bytes) -> None:
    assert_twins(payload)


@pytest.mark.parametrize("depth", [10, 98, 200, 400, 498, 499, 500, 501, 900, 990, 1000, 5000])
@pytest.mark.parametrize("name", ["service", "message", "tags", "event", "fields", "extra"])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_no_depth_of_nesting_raises(name: str, depth: int, brackets: tuple[bytes, bytes]) -> None:
    opening, closing = brackets
    deep = opening * depth + b"0" + closing * depth
    event = {"group": "pt", "service": "django", "message": "x", name: "?"}
    payload = json.dumps(event, indent=1).encode().replace(b'"?"', deep)

    explained = PIPELINE.explain(payload, now_ns=NOW_NS)
    done = processed(PIPELINE, payload)

    assert len(done.documents) + len(done.dead_letters) == 1
    assert (explained.reason == "too_deep") is (depth >= MAX_DEPTH)
    assert ([one.reason for one in done.dead_letters] == ["too_deep"]) is (depth >= MAX_DEPTH)


@pytest.mark.parametrize(
    ("text", "most"),
    [("2024-01-01 DEBUG a line of many\n", 6.7), ("grüße ☃ und mehr\n", 8.0), ("ok 😀 so\n", 10.0)],
    ids=["ascii", "two bytes a character", "four bytes a character"],
)
def test_a_giant_event_takes_a_few_times_its_size_and_leaves_only_its_document(
    text: str, most: float
) -> None:
    pipeline = compile_profile(shipped_profile())
    message = "INFO|django.request|2026-01-01 00:00:00,123|" + text * (4_000_000 // len(text))
    event = {
        "message": message, "group": "pt", "service": "django", "agent": {"id": "a"},
        "log": {"offset": 1, "file": {"path": "/p"}}, "host": {"name": "h"},
    }  # fmt: skip
    payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    del message, event

    tracemalloc.start()
    try:
        done = processed(pipeline, payload)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # The body holds the message three times; its parts exist beside it while it is joined.
    body = len(done.documents[0].body)
    assert body > 2.9 * len(payload)
    assert peak < most * len(payload)
    assert kept < body + 0.1 * len(payload)


@pytest.mark.parametrize("field", ["service", "log.file.path", "status", "kind"])
def test_rules_by_other_fields_give_both_ways_the_same_documents(field: str) -> None:
    (group,) = shipped_profile().groups
    rules = [{"field": field, "match": ["nginx", "/a*", "404", "x"], "set": {"stream": "mine"}}]
    categories = group.categories.model_copy(
        update={"rules": (*map(CategoryRule.model_validate, rules), *group.categories.rules)}
    )
    status = PatternSettings(name="status", regex="(?P<status>[0-9]+)$")
    changed = group.model_copy(
        update={"categories": categories, "patterns": (*group.patterns, status)}
    )
    pipeline = compile_profile(shipped_profile().model_copy(update={"groups": (changed,)}))
    sent = [
        orjson.dumps({"@timestamp": "2025-01-02T00:00:00.000Z", "message": message, "group": "pt",
                      "service": service, "kind": kind, "agent": {"id": "a"},
                      "log": {"offset": 1, "file": {"path": path}}})
        for message in ("INFO|django.x|2025-01-02T03:04:05Z|m", "404", "200", "nothing")
        for service in ("nginx", "django")
        for kind in ("x", 5, None)
        for path in ("/a.log", "/b.log")
    ]  # fmt: skip

    made = pipeline.process(sent, receipt=RECEIPT, peer="p", now_ns=0)

    explained = [pipeline.explain(payload, now_ns=0) for payload in sent]
    assert [orjson.loads(one.body) for one in made.documents] == [
        orjson.loads(one.body or b"") for one in explained
    ]
    streams = {orjson.loads(one.body)["stream"] for one in made.documents}
    assert {"mine", "unknown"} <= streams

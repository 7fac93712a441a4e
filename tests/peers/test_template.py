"""The template that setup makes, on real nodes: what it saves costs no search and no document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.elasticsearch import labels, searches
from ptingest.kql.parser import parse
from ptingest.sinks.elasticsearch.read.mapping import read_field_caps
from ptingest.sinks.elasticsearch.read.query import compile_query
from ptingest.tools.setup.plan import mappings_body
from tests.peers.elasticsearch_peer import Node
from tests.peers.preparing import clean, setup

pytestmark = [pytest.mark.peer, pytest.mark.every_release, pytest.mark.timeout(180)]

DOCUMENT = {
    "@timestamp": "2025-01-02T03:04:05Z",
    "@version": "1",
    "group": "pt",
    "service": "django",
    "stream": "app",
    "app_module": "parcels",
    "log_level": "ERROR",
    "logger_name": "apps.parcels.views",
    "log_timestamp": "2025-01-02T03:04:05",
    "log_ms": "678",
    "message": "ERROR|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 is lost",
    "log_message": "Parcel 42 is lost",
    "agent": {"ephemeral_id": "e1"},
    "log": {"offset": 4096},
}
CRITICAL = {**DOCUMENT, "log_level": "CRITICAL", "stream": "aws", "app_module": "s3"}


@pytest.fixture
def node(bare_elasticsearch: Node, tmp_path: Path) -> Iterator[Node]:
    """Prepared by setup, templates alone."""
    ran = setup(bare_elasticsearch, "--only", "templates", folder=tmp_path)
    assert ran.code == 0, ran
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def store(node: Node, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """Write documents to one stream and return those that were refused or put aside."""
    lines = [line for one in documents for line in (b'{"create":{}}', orjson.dumps(one))]
    body = b"\n".join(lines) + b"\n"
    answer = node.must("POST", "/logs-django-pt/_bulk?refresh=true", body)
    fates = [item["create"] for item in answer["items"]]
    return [fate for fate in fates if fate["status"] != 201 or "failure_store" in fate]


def hits(node: Node, text: str) -> int:
    """How many documents a query of the console finds."""
    mappings = read_field_caps(node.must("GET", "/logs-*-pt/_field_caps?fields=*"))
    query = compile_query(parse(text), text=text, now=datetime.now(UTC), mappings=mappings)
    return int(node.must("POST", "/logs-*-pt/_count", {"query": query})["count"])


@pytest.mark.parametrize(
    "text",
    [
        "log.offset:4096",
        "log.offset >= 4000 and log.offset < 5000",
        "@version:1",
        "agent.ephemeral_id:e1",
        "agent.ephemeral_id:e*",
        "agent.ephemeral_id:*1",
        "agent.ephemeral_id > d",
        "log_ms:678",
        "log_ms:(1 or 678)",
        'log_timestamp:"2025-01-02T03:04:05"',
        "log_timestamp:2025*",
        "log_timestamp:*",
        "not log.offset:*",
    ],
)
def test_fields_without_an_index_are_searched_all_the_same(node: Node, text: str) -> None:
    other = {"@timestamp": "2025-01-02T03:04:05Z", "message": "without any of them"}

    assert store(node, DOCUMENT, other) == []

    assert hits(node, text) == 1


def test_every_field_without_an_index_is_in_the_test_before() -> None:
    fields = mappings_body()["template"]["mappings"]["properties"]
    bare = {name for name, field in fields.items() if field.get("index") is False}

    flat = {"agent.ephemeral_id", "log.offset", *DOCUMENT}
    assert bare - {"event.original"} <= flat


def test_saved_searches_find_what_they_name(node: Node) -> None:
    assert store(node, DOCUMENT, CRITICAL) == []

    assert [(text, hits(node, text)) for text in searches()] == [
        (text, 2 if text in ("group:pt", "group:pt AND logger_name:apps.parcels.views") else 1)
        for text in searches()
    ]
    assert hits(node, "message:lost and log_message:(lost or found)") == 2
    assert hits(node, 'message:"Parcel 42" and log_message:"is lost"') == 2


def test_documents_come_back_byte_by_byte_from_compressed_streams(node: Node) -> None:
    assert store(node, DOCUMENT) == []

    (hit,) = node.documents("logs-django-pt")

    (settings,) = node.must("GET", "/logs-django-pt/_settings").values()
    assert settings["settings"]["index"]["codec"] == "best_compression"
    assert hit["_source"] == DOCUMENT


@pytest.mark.needs("subobjects")
def test_dotted_labels_are_never_refused_and_each_is_found(node: Node) -> None:
    time = {"@timestamp": "2025-01-02T03:04:05Z"}
    many = {f"team{number}.example/name": str(number) for number in range(1_200)}
    sent = [
        {**time, "kubernetes": labels(7)},
        {**time, "kubernetes": {"labels": {"app": {"kubernetes": {"io/name": "nested"}}}}},
        {**time, "kubernetes.labels.app.kubernetes.io/name": "dotted"},
        {**time, "kubernetes": {"labels": "text", "annotations": ["a", {"b": 1}]}},
        {**time, "container": {"labels": {"app": "x", "app.kubernetes.io/name": "y"}}},
        {**time, "container": {"labels": many}},
    ]

    assert store(node, *sent) == []

    assert hits(node, "kubernetes.labels.app:tracking") == 1
    assert hits(node, "kubernetes.labels.app.kubernetes.io/name:(tracking or dotted)") == 2
    assert hits(node, "container.labels.app:x") == 1
    assert [hit["_source"] for hit in node.documents("logs-django-pt")] == sent

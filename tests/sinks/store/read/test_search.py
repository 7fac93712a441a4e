from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.model.document import DataStream
from ptingest.sinks.store.maintenance import extend_index
from ptingest.sinks.store.read.search import StoreReader, StreamCount
from ptingest.sinks.store.read.snapshot import StoreQuery
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert

NOW = datetime(2025, 1, 10, tzinfo=UTC)

PARCELS: dict[str, Any] = {
    "@timestamp": "2025-01-02T03:04:05.678Z",
    "group": "pt",
    "service": "django",
    "log_level": "ERROR",
    "logger_name": "apps.parcels.views",
    "stream": "app",
    "app_module": "parcels",
    "message": "ERROR|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 not created",
    "log_message": "Parcel 42 not created",
    "tags": ["beats_input_codec_plain_applied", "dev"],
    "data_stream": {"type": "logs", "dataset": "django", "namespace": "pt"},
    "event": {"original": "ERROR|apps.parcels.views", "module": "pt"},
    "host": {"name": "pt-app-1"},
    "log": {"offset": 1200},
}
AWS = {
    "@timestamp": "2025-01-03T00:00:00.000Z",
    "group": "pt",
    "service": "celery",
    "log_level": "CRITICAL",
    "logger_name": "boto3.resources",
    "stream": "aws",
    "message": "CRITICAL|boto3.resources|x|bucket gone",
    "log": {"offset": 5},
}
NGINX = {
    "@timestamp": "2025-01-04T00:00:00.000Z",
    "group": "pt",
    "service": ["nginx", "edge"],
    "stream": "unknown",
    "app_module": "unknown",
    "message": '203.0.113.7 "GET /api/v1/parcels/" 200',
    "log": {"offset": 7.5},
}
BARE = {"n": "without anything"}
ALL = {"parcels": PARCELS, "aws": AWS, "nginx": NGINX, "bare": BARE}


@pytest.fixture(scope="module", params=[0, 2, 4], ids="{} documents in the text index".format)
def reader(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[StoreReader]:
    tmp_path = tmp_path_factory.mktemp("store")
    documents = [
        document(fields, data_stream=DataStream("logs", name, "pt")) for name, fields in ALL.items()
    ]
    connection = open_writer(tmp_path / "store.sqlite")
    with transaction(connection):
        insert(connection, documents[: request.param])
    extend_index(connection, 1)
    with transaction(connection):
        insert(connection, documents[request.param :])
    connection.close()
    with StoreReader(tmp_path / "store.sqlite", now=NOW) as reader:
        yield reader


def names(reader: StoreReader, query: str, **bounds: Any) -> set[str]:
    hits = reader.search(StoreQuery(query, **bounds))
    return {hit.data_stream.removeprefix("logs-").removesuffix("-pt") for hit in hits}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("*", {"parcels", "aws", "nginx", "bare"}),
        ("group:pt", {"parcels", "aws", "nginx"}),
        ("group:pt AND service:django AND log_level:ERROR", {"parcels"}),
        ("group:pt AND stream:app AND app_module:parcels", {"parcels"}),
        ("group:pt AND log_level:CRITICAL", {"aws"}),
        ("group:pt AND stream:aws", {"aws"}),
        ("group:pt AND logger_name:apps.parcels.views", {"parcels"}),
        ("log_level:error", set()),
        ("not service:django", {"aws", "nginx", "bare"}),
        ("service:edge", {"nginx"}),
        ("service:(nginx or celery)", {"nginx", "aws"}),
        ("service:*", {"parcels", "aws", "nginx"}),
        ("logger_name:apps.*.views", {"parcels"}),
        ("app_module:*", {"parcels", "nginx"}),
        ("tags:dev", {"parcels"}),
        ("data_stream.dataset:django", {"parcels"}),
        ("data_stream:django", set()),
        ("data_stream:*", {"parcels"}),
        ("event.original:apps", {"parcels"}),
        ("_index:logs-aws-pt", {"aws"}),
        ("log.offset:1200", {"parcels"}),
        ("log.offset:5.0", {"aws"}),
        ("log.offset >= 7.5", {"parcels", "nginx"}),
        ("log.offset < 7.5 or not log.offset:*", {"aws", "bare"}),
        ("parcel", {"parcels"}),
        ("parcel*", {"parcels", "nginx"}),
        ("*arcels", {"parcels", "nginx"}),
        ("message:bucket parcels", {"aws", "parcels", "nginx"}),
        ('message:"bucket parcels"', set()),
        ('"parcel 42 NOT created"', {"parcels"}),
        ('message:"42 parcel"', set()),
        ("log_message:created", {"parcels"}),
        ("log_message:boto3", set()),
        ('@timestamp >= "2025-01-03"', {"aws", "nginx"}),
        ("@timestamp > 2025-01-03", {"nginx"}),
        ("@timestamp <= 2025-01-03", {"parcels", "aws"}),
        ("@timestamp < 2025-01-03", {"parcels"}),
        ("@timestamp:2025-01-02", {"parcels"}),
        ("@timestamp >= now-7d", {"aws", "nginx"}),
        ("log_level > D", {"parcels"}),
    ],
)
def test_a_query_finds_exactly(reader: StoreReader, query: str, found: set[str]) -> None:
    assert names(reader, query) == found


def test_bounds_come_on_top_of_the_query(reader: StoreReader) -> None:
    query = "group:pt AND service:django AND app_module:parcels AND log_level:ERROR or stream:aws"

    inside = names(
        reader, query, since="2025-01-02T00:00:00.000Z", until="2025-01-02T23:59:59.999Z"
    )
    after = names(reader, query, since="2025-01-03T00:00:00.000Z")
    elsewhere = names(reader, query, data_stream="logs-aws-pt")

    assert (inside, after, elsewhere) == ({"parcels"}, {"aws"}, {"aws"})


def test_a_hit_is_the_whole_document(reader: StoreReader) -> None:
    (hit,) = reader.search(StoreQuery("service:django"))

    assert json.loads(hit.body) == PARCELS


def test_hits_come_oldest_first_and_a_limit_keeps_the_newest(reader: StoreReader) -> None:
    everything = [hit.data_stream for hit in reader.search(StoreQuery("group:pt"))]
    newest = [hit.data_stream for hit in reader.search(StoreQuery("group:pt"), limit=2)]

    assert everything == ["logs-parcels-pt", "logs-aws-pt", "logs-nginx-pt"]
    assert newest == ["logs-aws-pt", "logs-nginx-pt"]


@pytest.mark.parametrize(
    ("field", "counts"),
    [
        ("log_level", [(None, 2), ("CRITICAL", 1), ("ERROR", 1)]),
        ("service", [(None, 1), ("celery", 1), ("django", 1), ("edge", 1), ("nginx", 1)]),
        ("group", [("pt", 3), (None, 1)]),
        ("data_stream.dataset", [(None, 3), ("django", 1)]),
        ("tags", [(None, 3), ("beats_input_codec_plain_applied", 1), ("dev", 1)]),
        ("log.offset", [(None, 1), ("1200", 1), ("5", 1), ("7.5", 1)]),
        ("_id", [(None, 4)]),
    ],
)
def test_values_are_counted_most_first(
    reader: StoreReader, field: str, counts: list[tuple[str | None, int]]
) -> None:
    assert reader.count_by(StoreQuery("*"), field) == counts


def test_counting_obeys_the_query(reader: StoreReader) -> None:
    assert reader.count(StoreQuery("group:pt and not stream:aws")) == 2
    assert reader.count_by(StoreQuery("parcel*"), "stream") == [("app", 1), ("unknown", 1)]


def test_documents_are_counted_by_data_stream_and_category(reader: StoreReader) -> None:
    assert reader.counts() == [
        StreamCount("logs-aws-pt", "aws", 1),
        StreamCount("logs-bare-pt", None, 1),
        StreamCount("logs-nginx-pt", "unknown", 1),
        StreamCount("logs-parcels-pt", "app", 1),
    ]


def test_a_long_list_of_values_is_no_trouble(reader: StoreReader) -> None:
    values = " or ".join(f"v{number}" for number in range(1000))

    assert names(reader, f"service:({values} or django)") == {"parcels"}


def test_a_bad_query_and_a_bad_field_are_said(reader: StoreReader) -> None:
    with pytest.raises(QueryInvalid, match="column 3"):
        list(reader.search(StoreQuery("a:")))
    with pytest.raises(QueryInvalid, match="field name"):
        reader.count_by(StoreQuery("*"), 'a"b')


def test_each_question_sees_what_is_stored_by_then(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = open_writer(path)
    counts = []

    with StoreReader(path, now=NOW) as reader:
        for step in (10, 10, 1):  # words in memory, again in memory, then in the text index
            with transaction(writer):
                insert(writer, [document(AWS)])
            extend_index(writer, step)
            counts.append((reader.count(StoreQuery("*")), reader.count(StoreQuery("bucket"))))
    writer.close()

    assert counts == [(1, 1), (2, 2), (3, 3)]


def test_a_search_half_read_holds_nothing_up(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = open_writer(path)
    with transaction(writer):
        insert(writer, [document(AWS | {"n": n}) for n in range(2000)])

    with StoreReader(path, now=NOW) as reader:
        hits = reader.search(StoreQuery("bucket"))
        first = next(hits)
        writer.execute("DELETE FROM documents WHERE id > 1990")
        is_held_up, _, _ = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        rest = [json.loads(hit.body)["n"] for hit in hits]
    writer.close()

    assert json.loads(first.body)["n"] == 0
    assert not is_held_up
    assert rest == list(range(1, 1990))


def test_a_store_that_breaks_while_read_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_writer(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE documents")

    with (
        pytest.raises(SinkUnavailable, match="no such table"),
        StoreReader(path, now=NOW) as reader,
    ):
        reader.count(StoreQuery("*"))

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.model.explore import FieldValue
from ptingest.sinks.store.read.completion import fields, values
from ptingest.sinks.store.schema import transaction
from tests.support.store_documents import document, insert, raw_document
from tests.support.store_segments import store


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("completion") / "store.sqlite"
    connection = store(path, segments=1, more=10)
    rows = [
        {"service": "Django-admin", "tags": ["beats", "dev"], "host": {"name": "pt-app-1"}},
        {"service": ["nginx", "edge"], "http.status": 200, "is": {"ok": True}, 'a"b': 1},
        {"host": {"name": "pt-app-1", "os": {"name": "x" * 300}}},
    ]
    with transaction(connection):
        insert(connection, [document(row) for row in rows])
        insert(connection, [raw_document(b"no JSON"), raw_document(b"[" * 5000)])
    yield connection
    connection.close()


def test_fields_are_those_of_documents_stored_lately(connection: sqlite3.Connection) -> None:
    found = fields(connection)

    assert found == sorted(found)
    assert {"@timestamp", "message", "service", "host.name", "tags", "http.status"} <= set(found)
    assert not any('"' in name for name in found)


@pytest.mark.parametrize(
    ("field", "beginning", "wanted"),
    [
        ("service", "dj", ["django", "Django-admin"]),
        ("service", "ed", ["edge"]),
        ("log_level", "", ["INFO", "DEBUG", "ERROR", "WARNING"]),
        ("_index", "logs-d", ["logs-django-pt"]),
        ("tags", "", ["beats", "dev"]),
        ("host.name", "PT", ["pt-app-1"]),
        ("http.status", "2", ["200"]),
        ("is.ok", "", ["true"]),
        ("host.os.name", "", []),
        ("nothing", "", []),
        ('a"b', "", []),
    ],
)
def test_values_are_those_that_begin_so_most_frequent_first(
    connection: sqlite3.Connection, field: str, beginning: str, wanted: list[str]
) -> None:
    found = values(connection, field, beginning=beginning, limit=10)

    assert sorted(one.text for one in found) == sorted(wanted)
    assert [one.documents for one in found] == sorted((n for _, n in found), reverse=True)


def test_only_so_many_values_are_given(connection: sqlite3.Connection) -> None:
    assert values(connection, "host.name", beginning="", limit=10) == [FieldValue("pt-app-1", 2)]
    assert len(values(connection, "logger_name", beginning="apps.", limit=2)) == 2


def test_a_large_document_offers_its_fields_and_hinders_no_values(tmp_path: Path) -> None:
    connection = store(tmp_path / "store.sqlite", segments=0, more=3)
    with transaction(connection):
        rows = [{"message": "x" * 2_000_000, "city": "Graz"}, {"city": "Linz"}]
        insert(connection, [document(row) for row in rows])

    assert "city" in fields(connection)
    assert values(connection, "city", beginning="", limit=5) == [FieldValue("Linz", 1)]
    connection.close()

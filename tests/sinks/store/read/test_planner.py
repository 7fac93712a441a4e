from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ptingest.sinks.store.read import planner
from ptingest.sinks.store.read.planner import (
    CHEAP_ROWS,
    DEAR_ROWS,
    candidates,
    first_rows,
    most_rows,
    rare_ids,
    weight,
)
from ptingest.sinks.store.read.snapshot import StoreQuery, snapshot
from ptingest.sinks.store.schema import transaction
from tests.support.store_documents import document, insert
from tests.support.store_segments import store

NOW = datetime(2025, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = store(tmp_path_factory.mktemp("few") / "store.sqlite", segments=2, more=0)
    with transaction(connection):
        insert(connection, [document({"message": "a needle", "service": "rare"})])
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("query", "is_few"),
    [
        ("needle", True),
        ("needle and service:django", True),
        ("needle or service:rare", False),
        ("not needle", False),
        ("parcel", False),
        ("service:rare", False),
    ],
)
def test_words_that_few_documents_hold_name_them(
    connection: sqlite3.Connection, query: str, is_few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "CANDIDATES_MOST", 100)
    with snapshot(connection, StoreQuery(query), now=NOW) as where:
        assert (candidates(connection, where) is not None) is is_few


@pytest.mark.parametrize(
    ("query", "is_rare"),
    [
        ("service:rare", True),
        ("service:nothing and log_level:ERROR", True),
        ("service:django", False),
        ("needle", False),
        ("number:5", False),
    ],
)
def test_labels_that_few_segments_hold_name_their_ids(
    connection: sqlite3.Connection, query: str, is_rare: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "SEGMENTS_MOST", 1)
    with snapshot(connection, StoreQuery(query), now=NOW) as where:
        ids = rare_ids(connection, where)
        assert (ids is not None) is is_rare
        if ids is not None:
            sql = "SELECT count(*) FROM documents WHERE {}"
            everywhere = connection.execute(sql.format(where.sql), where.values).fetchone()
            inside = connection.execute(
                sql.format(f"{ids} AND {where.sql}"), where.values
            ).fetchone()
            assert inside == everywhere


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("service:django and not log_level:INFO", CHEAP_ROWS),
        ("parcel", CHEAP_ROWS),
        ("number:5", DEAR_ROWS),
        ("*arce*", DEAR_ROWS),
    ],
)
def test_where_bodies_are_read_the_clock_is_looked_at_more_often(
    connection: sqlite3.Connection, query: str, rows: int
) -> None:
    with snapshot(connection, StoreQuery(query), now=NOW) as where:
        assert most_rows(where) == rows


@pytest.mark.parametrize(
    ("terms", "most"), [(1, 4096), (4, 4096), (100, 512), (900, 64), (1600, 32)]
)
@pytest.mark.parametrize("field", ["number", "log_message", "message"])
def test_the_more_is_asked_the_fewer_documents_are_looked_at_between_two_glances(
    connection: sqlite3.Connection, terms: int, most: int, field: str
) -> None:
    star = "*" if field == "message" else ""
    query = f"{field}:({' or '.join(f'{star}{number % 10}' for number in range(terms))})"

    with snapshot(connection, StoreQuery(query), now=NOW) as where:
        assert 1 <= first_rows(where) <= most
        assert 1 <= most_rows(where) <= most


def test_a_usual_question_weighs_nothing_more(connection: sqlite3.Connection) -> None:
    with snapshot(connection, StoreQuery("service:django and parcel"), now=NOW) as where:
        assert weight(where) == 1

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql import deadline
from ptingest.model.explore import OLDEST_FIRST, Sort, View
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.read.sorting import SortedPlace
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert

NOW = datetime(2025, 1, 2, tzinfo=UTC)
ROWS: list[dict[str, object]] = [
    {"log": {"offset": 30}, "service": "b", "@timestamp": "2025-01-01T00:00:03.000Z"},
    {"log": {"offset": 4}, "service": "a", "@timestamp": "2025-01-01T00:00:01.000Z"},
    {"log.offset": 4.5, "message": "parcel"},
    {"service": "a", "@timestamp": "2025-01-01T00:00:02.000Z", "message": "parcel"},
    {"log": {"offset": "text"}, "service": "c" * 400},
    {"log": {"offset": 30}, "service": "c" * 300},
]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store.sqlite"
    writer: sqlite3.Connection = open_writer(path)
    with transaction(writer):
        insert(writer, [document(row) for row in ROWS])
    yield path
    writer.close()


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize(
    ("sort", "query", "order"),
    [
        pytest.param(OLDEST_FIRST, "", [2, 4, 1, 3, 5, 6], id="oldest first, timeless last"),
        pytest.param(Sort("log.offset"), "", [5, 6, 1, 3, 2, 4], id="numbers before texts"),
        pytest.param(Sort("log.offset", True), "", [2, 3, 1, 6, 5, 4], id="ascending"),
        pytest.param(Sort("service", True), "", [2, 4, 1, 5, 6, 3], id="a label"),
        pytest.param(Sort("service"), "parcel", [4, 3], id="of few with a word"),
        pytest.param(Sort("nothing"), "", [6, 5, 4, 3, 2, 1], id="a field that none has"),
    ],
)
def test_pages_hold_every_document_once_in_the_order_of_a_field(
    path: Path, sort: Sort, query: str, order: list[int], limit: int
) -> None:
    with ExploreReader(path, now=NOW) as reader:
        pages = list(reader.pages(View(query, sort=sort), limit=limit))

    assert [int(hit.id) for hits in pages for hit in hits] == order
    assert all(len(hits) <= limit for hits in pages)


@pytest.mark.parametrize("field", ["message", "event.original", 'a"b', ""])
def test_a_field_without_an_order_is_refused(path: Path, field: str) -> None:
    with ExploreReader(path, now=NOW) as reader, pytest.raises(QueryInvalid, match="sort by"):
        reader.page(View(sort=Sort(field)), limit=1)


@pytest.mark.parametrize("text", ["", "nowhere", "[1]", "[1,2,3]", '["a","b"]', "[[1],2]", "{}"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid, match="a place"):
        SortedPlace.read(text)


@pytest.mark.parametrize("place", [SortedPlace(None, 1), SortedPlace('a"', 2), SortedPlace(1.5, 3)])
def test_a_place_is_read_as_it_was_written(place: SortedPlace) -> None:
    assert SortedPlace.read(str(place)) == place


def test_an_order_for_which_there_is_no_time_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 1)
    with pytest.raises(SinkUnavailable, match=r"sorted by log.offset.*shorter time range"):
        with ExploreReader(path, now=NOW, is_time_up=lambda: True) as reader:
            reader.page(View(sort=Sort("log.offset")), limit=1)

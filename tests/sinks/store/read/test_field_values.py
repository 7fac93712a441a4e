from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptingest.errors import QueryInvalid
from ptingest.model.explore import FACETS_MOST, Facet, View
from ptingest.sinks.store.read import explore, field_values
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert

NOW = datetime(2025, 1, 2, tzinfo=UTC)
TIME = "2025-01-01T00:00:{:02d}.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store.sqlite"
    rows: list[dict[str, object]] = [
        {"host": {"name": "a"}, "n": 1, "tags": ["x", "y", "x"], "service": "django"},
        {"host.name": "b", "n": 1.5, "tags": [], "service": "django"},
        {"host": {"name": "a"}, "n": True, "tags": ["x", None, {"z": 1}]},
        {"host": "text", "n": None, "tags": {"x": 1}},
    ]
    writer: sqlite3.Connection = open_writer(path)
    with transaction(writer):
        insert(writer, [document({"@timestamp": TIME.format(n), **r}) for n, r in enumerate(rows)])
    yield path
    writer.close()


def facets(path: Path, *fields: str, query: str = "") -> list[Facet]:
    view = View(query, facets=fields)
    with ExploreReader(path, now=NOW) as reader:
        return reader.facets(view, reader.counts(view))


def test_values_of_any_field_are_counted_in_the_order_asked_for(path: Path) -> None:
    names, numbers, labels, tags = facets(path, "host.name", "n", "service", "tags")

    assert names == Facet("host.name", [("a", 2), (None, 1), ("b", 1)], 0)
    assert dict(numbers.values) == {"1": 1, "1.5": 1, "true": 1, None: 1}
    assert labels == Facet("service", [(None, 2), ("django", 2)], 0)
    assert dict(tags.values) == {"x": 2, "y": 1, None: 2}


def test_values_are_those_of_the_documents_that_match(path: Path) -> None:
    (names,) = facets(path, "host.name", query="n:1")

    assert names.values == [("a", 1)]


def test_a_sample_is_said_to_be_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "FACET_SAMPLE", 2)

    names, labels = facets(path, "host.name", "service")

    assert names == Facet("host.name", [(None, 1), ("a", 1)], 0, 2)
    assert labels.among is None


def test_when_time_is_up_fewer_are_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_values, "CHECK_EVERY", 1)
    view = View(facets=("host.name",))
    with ExploreReader(path, now=NOW) as reader:
        counted = reader.counts(view)
        reader._is_time_up = iter([False] + [True] * 9).__next__
        (names,) = reader.facets(view, counted)

    assert names.among is not None
    assert names.among < 4


@pytest.mark.parametrize(
    "fields", [("message",), ('a"b',), tuple(map(str, range(FACETS_MOST + 1)))]
)
def test_what_cannot_be_counted_is_refused(path: Path, fields: tuple[str, ...]) -> None:
    with pytest.raises(QueryInvalid, match="expected"):
        facets(path, *fields)

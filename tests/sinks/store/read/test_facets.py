"""Every way of counting gives the numbers of plain SQL over the documents."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.kql import deadline
from ptingest.kql.columns import time_text
from ptingest.model.explore import Counts
from ptingest.sinks.store.read.facets import LABELS, counts
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds, snapshot
from ptingest.sinks.store.rollup import SEGMENT
from ptingest.sinks.store.schema import open_reader, open_writer
from tests.support.store_segments import store

NOW = datetime(2025, 1, 3, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUERIES = (
    "",
    "service:django",
    "not service:django",
    "log_level:ERROR or service:(nginx or edge)",
    "not log_level:*",
    "_index:logs-a-pt and log_level:WARN*",
    "service:nothing",
    "parcel",
    '"carrier said no" and service:celery',
    "not timeout",
    "number > 20000",
    '@timestamp > "2025-01-02T01:00"',
)
SECONDS = st.integers(-100, 7300)
BOUNDS = st.none() | SECONDS.map(
    lambda second: (
        f"2025-01-02T{max(0, second) // 3600:02d}:{max(0, second) // 60 % 60:02d}"
        f":{max(0, second) % 60:02d}.{max(0, second) % 2}00Z"
    )
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("counting") / "store.sqlite"
    writer = store(path, segments=2, more=1000)
    reader = open_reader(path)
    yield reader
    reader.close()
    writer.close()


def counted(reader: sqlite3.Connection, question: StoreQuery, *, looks: int = 10**9) -> Counts:
    left = iter(range(looks))
    with snapshot(reader, question, now=NOW) as where:
        return counts(
            reader,
            where,
            question,
            now="2025-01-03T00:00:00.000Z",
            is_time_up=lambda: next(left, None) is None,
        )


def plain(reader: sqlite3.Connection, question: StoreQuery) -> list[tuple[str | None, ...]]:
    with snapshot(reader, question, now=NOW) as query:
        where = in_bounds(query, question)
        return reader.execute(
            f"SELECT timestamp, {', '.join(LABELS)} FROM documents WHERE {where.sql}", where.values
        ).fetchall()


@cache
def start_of(step_seconds: int, time: str) -> str:
    """Return the beginning of the bar that a second belongs to."""
    step = timedelta(seconds=step_seconds)
    return time_text(EPOCH + (datetime.fromisoformat(time) - EPOCH) // step * step)


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=2, deadline=None)
@given(since=BOUNDS, until=BOUNDS)
def test_counts_are_those_of_the_documents(
    reader: sqlite3.Connection, query: str, since: str | None, until: str | None
) -> None:
    question = StoreQuery(query, since, until)

    found = counted(reader, question)

    rows = plain(reader, question)
    assert (found.documents, found.is_whole) == (len(rows), True)
    assert found.timeless == sum(row[0] is None for row in rows)
    assert Counter(
        {(bar.start, level): n for bar in found.bars for level, n in bar.levels.items()}
    ) == Counter(
        (start_of(found.step_seconds, row[0][:19] + "Z"), row[2])
        for row in rows
        if row[0] is not None
    )
    for place, facet in enumerate(found.facets, 1):
        lists = sum(row[place] == '["django","edge"]' for row in rows)
        assert facet.field == LABELS[place - 1]
        assert sum(documents for _, documents in facet.values) == len(rows) + lists


def test_the_tally_is_what_answers(reader: sqlite3.Connection) -> None:
    told = reader.execute("SELECT segment, width > 0 FROM documents_segments").fetchall()

    # The first has lost documents.
    assert told == [(1, 1)]


def test_an_element_of_a_list_counts_as_a_value(reader: sqlite3.Connection) -> None:
    found = counted(reader, StoreQuery("service:edge"))

    assert dict(found.facets[0].values) == {"django": 1, "edge": 1}


def test_when_time_is_up_it_is_said_how_far_counting_came(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 1 << 30)  # checked between slices only
    question = StoreQuery("number >= 0")

    found = counted(reader, question, looks=1)

    assert not found.is_whole
    assert found.counted_back_to is not None
    newer = [row for row in plain(reader, question) if row[0] and row[0] >= found.counted_back_to]
    assert 0 < found.documents <= len(newer) < 2 * SEGMENT


def test_an_empty_store_counts_nothing(tmp_path: Path) -> None:
    open_writer(tmp_path / "store.sqlite").close()
    reader = open_reader(tmp_path / "store.sqlite")

    found = counted(reader, StoreQuery("service:django"))

    assert (found.documents, found.is_whole, found.bars) == (0, True, [])
    reader.close()


@pytest.mark.parametrize("query", ["number >= 0", "log_level:*", "parcel", "service:d*"])
@pytest.mark.parametrize("looks", [0, 5, 40])
def test_a_count_that_is_ended_in_the_middle_is_at_least_what_it_says(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, query: str, looks: int
) -> None:
    question = StoreQuery(query)
    whole = counted(reader, question)
    monkeypatch.setattr(deadline, "INSTRUCTIONS", 100)

    found = counted(reader, question, looks=looks)

    assert found.counted_back_to is not None
    assert not found.is_whole
    assert found.documents <= whole.documents

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptingest.sinks.store.maintenance import extend_tally
from ptingest.sinks.store.rollup import SEGMENT, gaps, ids_of, segments
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert
from tests.support.store_segments import PATIENCE_SECONDS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "store.sqlite")
    yield connection
    connection.close()


def put(store: sqlite3.Connection, *rows: dict[str, Any], count: int = SEGMENT) -> None:
    """Store ``count`` documents, the rows in turn."""
    documents = [document(row) for row in rows]
    with transaction(store):
        insert(store, [documents[number % len(rows)] for number in range(count)])


def tallied(store: sqlite3.Connection) -> list[tuple[object, ...]]:
    return store.execute(
        "SELECT segment, time, service, documents FROM documents_tally ORDER BY 1, 2, 3"
    ).fetchall()


def test_a_full_segment_is_tallied_by_time_and_label(store: sqlite3.Connection) -> None:
    put(
        store,
        {"@timestamp": "2025-01-02T03:04:05.678Z", "service": "django"},
        {"@timestamp": "2025-01-02T03:04:06.678Z", "service": "celery"},
        {"@timestamp": "2025-01-02T03:04:05.999Z", "service": "django"},
        {"service": "django"},
    )

    extend_tally(store, seconds=PATIENCE_SECONDS)

    quarter = SEGMENT // 4
    assert tallied(store) == [
        (0, None, "django", quarter),
        (0, "2025-01-02T03:04:05", "django", 2 * quarter),
        (0, "2025-01-02T03:04:06", "celery", quarter),
    ]
    assert segments(store) == {0: 19}


def test_a_segment_that_is_not_full_waits(store: sqlite3.Connection) -> None:
    put(store, {"service": "django"}, count=SEGMENT - 1)

    extend_tally(store, seconds=PATIENCE_SECONDS)

    assert segments(store) == {}


@pytest.mark.parametrize(
    ("times", "width"),
    [
        pytest.param([f"2025-01-02T03:04:{second:02d}.000Z" for second in range(16)], 19, id="s"),
        pytest.param([f"2025-01-02T03:04:{second:02d}.000Z" for second in range(17)], 18, id="10s"),
        pytest.param([f"2025-01-02T{hour:02d}:04:00.000Z" for hour in range(16)], 19, id="far"),
        pytest.param([f"2025-01-02T{hour:02d}:04:00.000Z" for hour in range(24)], 10, id="days"),
        pytest.param([f"20{year:02d}-01-02T03:04:00.000Z" for year in range(99)], 4, id="years"),
    ],
)
def test_a_segment_is_told_as_finely_as_its_times_allow(
    store: sqlite3.Connection, times: list[str], width: int
) -> None:
    put(store, *({"@timestamp": time} for time in times))

    extend_tally(store, seconds=PATIENCE_SECONDS)

    assert segments(store) == {0: width}
    assert sum(int(str(row[3])) for row in tallied(store)) == SEGMENT


def test_labels_that_hold_lists_are_not_tallied(store: sqlite3.Connection) -> None:
    put(store, {"service": "django"}, {"service": ["nginx", "edge"]})

    extend_tally(store, seconds=PATIENCE_SECONDS)

    assert (segments(store), tallied(store)) == ({0: 0}, [])


def test_a_document_deleted_takes_the_tally_of_its_segment_along(store: sqlite3.Connection) -> None:
    for _ in range(2):
        put(store, {"service": "django"})
        extend_tally(store, seconds=PATIENCE_SECONDS)

    store.execute("DELETE FROM documents WHERE id = ?", (SEGMENT,))

    assert [row[0] for row in tallied(store)] == [1]
    assert list(segments(store)) == [1]


def test_a_segment_that_has_lost_its_first_documents_is_passed_over(
    store: sqlite3.Connection,
) -> None:
    put(store, {"service": "django"}, count=2 * SEGMENT)
    store.execute("DELETE FROM documents WHERE id = 1")

    extend_tally(store, seconds=PATIENCE_SECONDS)

    assert list(segments(store)) == [1]


def test_gaps_are_the_ids_outside_the_segments_taken() -> None:
    first_of_two, last_of_two = ids_of(2)

    found = gaps([0, 1, 2, 5], 7, 6 * SEGMENT + 3)

    assert last_of_two - first_of_two + 1 == SEGMENT
    assert found == [(3 * SEGMENT + 1, 5 * SEGMENT), (6 * SEGMENT + 1, 6 * SEGMENT + 3)]
    assert gaps([], 1, 9) == [(1, 9)]

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ptingest.sinks.store.read.context import context_of
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.schema import open_writer, transaction
from tests.support.store_documents import document, insert, raw_document

NOW = datetime(2025, 1, 3, tzinfo=UTC)


def line(offset: int, *, inode: str = "7", agent: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": "2025-01-02T03:04:05.000Z",
        "agent": {"id": agent},
        "log": {"offset": offset, "file": {"path": "/var/log/x.log", "inode": inode}},
        **more,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(path)
    yield connection
    connection.close()


def around(path: Path, number: int, count: int = 2) -> tuple[list[int], list[int], str]:
    with ExploreReader(path, now=NOW) as reader:
        hit = reader.document(number)
        assert hit is not None
        found = context_of(reader.connection, hit, count=count)
    return [int(one.id) for one in found.before], [int(one.id) for one in found.after], found.basis


def test_neighbours_are_the_lines_before_and_after_in_the_same_file(
    writer: sqlite3.Connection, path: Path
) -> None:
    lines = [
        line(300), line(100), line(150, inode="8"), line(200), line(150, agent="b"),
        line(400), line(0), line(200), {"log": {"offset": 250}}, line(500),
    ]  # fmt: skip
    with transaction(writer):
        insert(writer, [document(one) for one in lines])
        insert(writer, [raw_document(b"no JSON"), raw_document(b"[1]")])

    before, after, basis = around(path, 1)

    assert ([before[0], after], basis) == ([2, [6, 10]], "file")
    assert before[1] in (4, 8), "a line stored twice is shown once"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"log": 5},
        {"log": {"offset": 5}},
        {"log": {"file": {"path": "x"}}},
        {"log": {"offset": True, "file": {"path": "x"}}},
        {"log": {"offset": 1.5, "file": {"path": "x"}}},
        {"log": {"offset": 5, "file": {"path": 7}}},
    ],
)
def test_without_a_place_in_a_file_time_decides(
    writer: sqlite3.Connection, path: Path, odd: dict[str, Any]
) -> None:
    times = ["03", "01", "02", "04", "02"]
    rows = [{**odd, "@timestamp": f"2025-01-02T03:04:{time}.000Z"} for time in times]
    with transaction(writer):
        insert(writer, [document(row) for row in rows])

    assert around(path, 3) == ([2], [5, 1], "time")


def test_what_has_no_time_either_has_those_stored_beside_it(
    writer: sqlite3.Connection, path: Path
) -> None:
    with transaction(writer):
        insert(writer, [raw_document(b"no JSON %d" % number) for number in range(3)])

    before, after, basis = around(path, 2)

    assert basis == "time"
    assert (before, after) == ([1], [3])


def test_a_large_document_has_neighbours_and_is_cut_beside_others(
    writer: sqlite3.Connection, path: Path
) -> None:
    with transaction(writer):
        insert(
            writer,
            [document(line(n, message="x" * (2_000_000 if n == 3 else 5))) for n in range(1, 6)],
        )

    assert around(path, 3) == ([1, 2], [4, 5], "file")
    # A very large one is skipped in the search of the same file.
    assert around(path, 2) == ([1], [4, 5], "file")

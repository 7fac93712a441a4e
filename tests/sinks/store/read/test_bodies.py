"""Bodies read for people: large ones are never read whole."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.sinks.store.read import bodies
from ptingest.sinks.store.read.bodies import read_excerpts, read_hits, read_part
from ptingest.sinks.store.schema import open_reader, open_writer, transaction
from tests.support.store_documents import document, insert

LARGE = 8 << 20


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Ids 1 to 4: a small one, two large ones, a small one."""
    writer = open_writer(tmp_path / "store.sqlite")
    with transaction(writer):
        for message in ("small", "é" * (LARGE // 2), "\x01" * (LARGE // 6), "last"):
            insert(writer, [document({"message": message, "service": "django"})])
    writer.close()
    connection = open_reader(tmp_path / "store.sqlite")
    yield connection
    connection.close()


def test_small_ones_are_whole_and_large_ones_are_cut(reader: sqlite3.Connection) -> None:
    hits = read_hits(reader, [4, 3, 99, 2, 1])

    assert [(int(hit.id), hit.is_cut) for hit in hits] == [
        (4, False),
        (3, True),
        (2, True),
        (1, False),
    ]
    assert all(json.loads(hit.body)["service"] == "django" for hit in hits)
    assert max(len(hit.body) for hit in hits) < 2 * bodies.ROW_VALUE_BYTES
    assert [hit.size > LARGE for hit in hits] == [False, True, True, False]


def test_memory_is_a_chunk_and_not_a_body(reader: sqlite3.Connection) -> None:
    tracemalloc.start()
    try:
        read_hits(reader, [1, 2, 3, 4])
        list(read_excerpts(reader, [1, 2, 3, 4]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20


def test_parts_joined_are_the_whole(reader: sqlite3.Connection) -> None:
    parts, begin = [], 0
    while part := read_part(reader, 2, begin):
        parts.append(part)
        begin += len(part)

    assert json.loads(b"".join(parts)) == {"message": "é" * (LARGE // 2), "service": "django"}
    assert max(map(len, parts)) <= bodies.PART_BYTES
    assert read_part(reader, 99, 0) is None


def test_what_follows_a_large_one_is_left_out_when_time_is_up(reader: sqlite3.Connection) -> None:
    hits = read_hits(reader, [1, 2, 3, 4], is_time_up=lambda: True)

    assert [int(hit.id) for hit in hits] == [1, 2]

"""What the store does between two batches, off the road of the ack: text index, retention,
checkpoint. Each is bounded, so that the next batch never waits long, and each may be cut
off at any moment: the next round finds by itself what is left to do.

Each statement is one step of SQLite, which works without Python's lock; the event loop
goes on meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ptingest.sinks.store.columns import time_text
from ptingest.sinks.store.schema import (
    INDEX_STEP,
    has_text_index,
    index_end,
    make_text_index,
    transaction,
)

INDEX_MOST = 16_384
"""Documents taken into the text index in one round."""
DELETE_MOST = 16_384
"""Documents deleted in one round: several batches' worth, so that retention keeps up."""
CHECKPOINT_BYTES = 16 << 20
"""A write-ahead log this long is copied into the file."""
WAL_MOST_BYTES = 128 << 20
"""A write-ahead log this long makes writing wait for readers that hold it open."""

_INDEX = """
INSERT INTO documents_text (rowid, message)
SELECT id, message FROM documents WHERE id > ? ORDER BY id LIMIT ?
"""
_DELETE_OLD = """
DELETE FROM documents WHERE id IN (
    SELECT id FROM (SELECT id, stored_at FROM documents ORDER BY id LIMIT ?) WHERE stored_at < ?
)
"""
_DELETE_FIRST = "DELETE FROM documents WHERE id IN (SELECT id FROM documents ORDER BY id LIMIT ?)"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much; None is without limit."""

    max_age: timedelta | None
    max_bytes: int | None


def tidy(connection: sqlite3.Connection, path: Path, retention: Retention, now_ns: int) -> None:
    """Do one bounded round of everything that is due.

    Raises:
        sqlite3.Error: this round could not be done (disk full, locked); nothing is lost.
    """
    extend_index(connection, INDEX_STEP)
    delete_expired(connection, retention, now_ns)
    keep_size(connection, retention)
    checkpoint(connection, path)


def extend_index(connection: sqlite3.Connection, step: int) -> None:
    """Take waiting documents into the text index when at least ``step`` wait."""
    if _unindexed(connection) < step:
        return
    with transaction(connection):
        if not has_text_index(connection):
            make_text_index(connection)
        connection.execute(_INDEX, (index_end(connection), INDEX_MOST))


def _unindexed(connection: sqlite3.Connection) -> int:
    """Documents after the last one indexed; ids have no gaps but where rows were deleted."""
    first, last = connection.execute(
        "SELECT (SELECT min(id) FROM documents), (SELECT max(id) FROM documents)"
    ).fetchone()
    return 0 if last is None else int(last) - max(index_end(connection), int(first) - 1)


def delete_expired(connection: sqlite3.Connection, retention: Retention, now_ns: int) -> None:
    """Delete the oldest documents that were stored longer ago than allowed."""
    if retention.max_age is None:
        return
    limit = time_text(datetime.fromtimestamp(now_ns / 1e9, UTC) - retention.max_age)
    first = connection.execute("SELECT stored_at FROM documents ORDER BY id LIMIT 1").fetchone()
    if first is None or first[0] >= limit:
        return
    with transaction(connection):
        connection.execute(_DELETE_OLD, (DELETE_MOST, limit))


def keep_size(connection: sqlite3.Connection, retention: Retention) -> None:
    """Delete the oldest documents while the file is larger than allowed, and shrink it."""
    if retention.max_bytes is None:
        return
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    pages, free = _pages(connection)
    most_pages = retention.max_bytes // page_bytes
    if pages <= most_pages:
        return
    if pages - free > most_pages:
        with transaction(connection):
            connection.execute(_DELETE_FIRST, (_share(connection, pages - free, most_pages),))
        pages, free = _pages(connection)
    if pages > most_pages and free:
        # It frees one page a step, and sqlite3 takes only one step of a statement without
        # columns, but every step of a script.
        connection.executescript(f"PRAGMA incremental_vacuum({pages - most_pages})")


def _pages(connection: sqlite3.Connection) -> tuple[int, int]:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return pages, free


def _share(connection: sqlite3.Connection, used: int, allowed: int) -> int:
    """Return how many documents stand for the pages too many, and a tenth more, so that not
    every batch must delete."""
    first, last = connection.execute("SELECT min(id), max(id) FROM documents").fetchone()
    documents = 0 if last is None else last - first + 1
    surplus = (used - allowed) / used + 0.1
    return min(DELETE_MOST, int(documents * surplus) + 1)


def checkpoint(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the write-ahead log into the file when it is long.

    A reader that stays open keeps the log from starting anew; beyond ``WAL_MOST_BYTES`` the
    writer waits for readers, up to its lock time, and cuts the log.
    """
    wal = path.with_name(path.name + "-wal")
    try:
        size = wal.stat().st_size
    except FileNotFoundError:
        return
    if size >= WAL_MOST_BYTES:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    elif size >= CHECKPOINT_BYTES:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

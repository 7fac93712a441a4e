"""What the store does between two batches, off the road of the ack: text index, tally,
retention. Each is bounded, so that the next batch never waits long, and each may be cut
off at any moment: the next round finds by itself what is left to do.

Each statement is one step of SQLite, which works without Python's lock; the event loop
goes on meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ptingest.kql.columns import time_text
from ptingest.sinks.store.rollup import next_segment, tally
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

_LOOK = """
SELECT (SELECT min(id) FROM documents), (SELECT max(id) FROM documents),
    (SELECT stored_at FROM documents ORDER BY id LIMIT 1),
    page_count, freelist_count, page_size,
    (SELECT count(*) FROM sqlite_master WHERE name = 'documents_text')
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
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


class Look(NamedTuple):
    """What one glance at the file tells; one statement, since each costs the event loop."""

    first: int | None
    """Lowest id, None when the store is empty."""
    last: int | None
    oldest: str | None
    """When the first document was stored."""
    pages: int
    free: int
    page_bytes: int
    has_index: int


def look(connection: sqlite3.Connection) -> Look:
    """Return the state that decides what is due."""
    return Look._make(connection.execute(_LOOK).fetchone())


def tidy(connection: sqlite3.Connection, retention: Retention, now_ns: int) -> None:
    """Do one bounded round of everything that is due.

    Raises:
        sqlite3.Error: this round could not be done (disk full, locked); nothing is lost.
    """
    seen = look(connection)
    extend_index(connection, INDEX_STEP, seen)
    extend_tally(connection, seen)
    delete_expired(connection, retention, now_ns, seen)
    keep_size(connection, retention, seen)


def extend_index(connection: sqlite3.Connection, step: int, seen: Look | None = None) -> None:
    """Take waiting documents into the text index when at least ``step`` wait."""
    seen = seen or look(connection)
    if seen.first is None or seen.last is None:
        return
    # Ids have no gaps but where documents were deleted, and those are the first.
    end = index_end(connection) if seen.has_index else 0
    if seen.last - max(end, seen.first - 1) < step:
        return
    with transaction(connection):
        if not has_text_index(connection):
            make_text_index(connection)
        connection.execute(_INDEX, (index_end(connection), INDEX_MOST))


def extend_tally(connection: sqlite3.Connection, seen: Look | None = None) -> None:
    """Tally one segment of documents when one is full."""
    seen = seen or look(connection)
    if seen.first is None or seen.last is None:
        return
    segment = next_segment(connection, seen.first, seen.last)
    if segment is not None:
        with transaction(connection):
            tally(connection, segment)


def delete_expired(
    connection: sqlite3.Connection, retention: Retention, now_ns: int, seen: Look | None = None
) -> None:
    """Delete the oldest documents that were stored longer ago than allowed."""
    if retention.max_age is None:
        return
    seen = seen or look(connection)
    limit = time_text(datetime.fromtimestamp(now_ns / 1e9, UTC) - retention.max_age)
    if seen.oldest is None or seen.oldest >= limit:
        return
    with transaction(connection):
        connection.execute(_DELETE_OLD, (DELETE_MOST, limit))


def keep_size(
    connection: sqlite3.Connection, retention: Retention, seen: Look | None = None
) -> None:
    """Delete the oldest documents while the file is larger than allowed, and shrink it."""
    seen = seen or look(connection)
    if retention.max_bytes is None:
        return
    most_pages = retention.max_bytes // seen.page_bytes
    if seen.pages <= most_pages:
        return
    if seen.pages - seen.free > most_pages:
        with transaction(connection):
            connection.execute(_DELETE_FIRST, (_share(seen, most_pages),))
        seen = look(connection)
    if seen.pages > most_pages and seen.free:
        # It frees one page a step, and sqlite3 takes only one step of a statement without
        # columns, but every step of a script.
        connection.executescript(f"PRAGMA incremental_vacuum({seen.pages - most_pages})")


def _share(seen: Look, allowed: int) -> int:
    """Return how many documents stand for the pages too many, and a tenth more, so that not
    every batch must delete."""
    documents = 0 if seen.first is None or seen.last is None else seen.last - seen.first + 1
    used = seen.pages - seen.free
    surplus = (used - allowed) / used + 0.1
    return min(DELETE_MOST, int(documents * surplus) + 1)

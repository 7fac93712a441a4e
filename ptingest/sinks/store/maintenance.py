"""What the store does between two batches, outside the path of the ack: text index, rollup,
retention. Each is bounded in documents and in time (see ``time_limit``), so that the next batch
never waits long, and each may be cut off at any moment: the next round finds by itself what is
left to do.

Each statement is one step of SQLite, which works without Python's lock; the event loop
goes on meanwhile.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ptingest.kql.columns import time_text
from ptingest.sinks.store.rollup import leave_out, next_segment, roll_up
from ptingest.sinks.store.schema import (
    INDEX_STEP,
    LONG_CHARACTERS,
    has_text_index,
    index_end,
    make_text_index,
    transaction,
)
from ptingest.sinks.store.time_limit import SECONDS, Portion, TookTooLong, limited

INDEX_MOST = 16_384
"""Documents taken into the text index in one round."""
DELETE_MOST = 16_384
"""Documents deleted in one round: several batches' worth, so that retention keeps up."""
SHRINK_MOST_PAGES = 4096
"""Pages taken off the file in one round; each may have to be moved."""

_LOOK = """
SELECT (SELECT min(id) FROM documents), (SELECT max(id) FROM documents),
    (SELECT stored_at FROM documents ORDER BY id LIMIT 1),
    page_count, freelist_count, page_size,
    (SELECT count(*) FROM sqlite_master WHERE name = 'documents_text')
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
_INDEX_LAST = """
SELECT max(id) FROM (SELECT id FROM documents WHERE id > ? ORDER BY id LIMIT ?)
"""
_INDEX = f"""
INSERT INTO documents_text (rowid, message)
SELECT id, message FROM documents
WHERE id BETWEEN ? AND ? AND ifnull(length(message), 0) <= {LONG_CHARACTERS}
"""
_INDEX_LONG = f"""
INSERT INTO documents_long
SELECT id FROM documents WHERE id BETWEEN ? AND ? AND length(message) > {LONG_CHARACTERS}
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


@dataclass(frozen=True, slots=True)
class Portions:
    """How many documents each kind of work takes in one round, learnt from those before."""

    index: Portion = field(default_factory=lambda: Portion(2 * INDEX_STEP, most=INDEX_MOST))
    deletion: Portion = field(default_factory=lambda: Portion(DELETE_MOST, most=DELETE_MOST))


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


def tidy(
    connection: sqlite3.Connection, retention: Retention, now_ns: int, portions: Portions
) -> None:
    """Do one bounded round of everything that is due.

    Raises:
        sqlite3.Error: this round could not be done (disk full, locked); nothing is lost.
    """
    seen = look(connection)
    extend_index(connection, INDEX_STEP, seen, portions.index)
    extend_tally(connection, seen)
    delete_expired(connection, retention, now_ns, portions.deletion, seen)
    keep_size(connection, retention, portions.deletion, seen)


def extend_index(
    connection: sqlite3.Connection,
    step: int,
    seen: Look | None = None,
    portion: Portion | None = None,
) -> None:
    """Take waiting documents into the text index when at least ``step`` wait."""
    seen = seen or look(connection)
    if seen.first is None or seen.last is None:
        return
    # Ids have no gaps but where documents were deleted, and those are the first.
    end = index_end(connection) if seen.has_index else 0
    if seen.last - max(end, seen.first - 1) < step:
        return

    def index(documents: int) -> None:
        if not has_text_index(connection):
            make_text_index(connection)
        end = index_end(connection)
        (last,) = connection.execute(_INDEX_LAST, (end, documents)).fetchone()
        connection.execute(_INDEX, (end + 1, last))
        connection.execute(_INDEX_LONG, (end + 1, last))

    (portion or Portions().index).take(connection, index)


def extend_tally(
    connection: sqlite3.Connection, seen: Look | None = None, *, seconds: float = SECONDS
) -> None:
    """Roll up one segment of documents when one is full; one that takes too long is left out."""
    seen = seen or look(connection)
    if seen.first is None or seen.last is None:
        return
    segment = next_segment(connection, seen.first, seen.last)
    if segment is None:
        return
    try:
        with transaction(connection), limited(connection, seconds):
            roll_up(connection, segment)
    except TookTooLong:
        with transaction(connection):
            leave_out(connection, segment)


def delete_expired(
    connection: sqlite3.Connection,
    retention: Retention,
    now_ns: int,
    portion: Portion,
    seen: Look | None = None,
) -> None:
    """Delete the oldest documents that were stored longer ago than allowed."""
    if retention.max_age is None:
        return
    seen = seen or look(connection)
    limit = time_text(datetime.fromtimestamp(now_ns / 1e9, UTC) - retention.max_age)
    if seen.oldest is None or seen.oldest >= limit:
        return
    portion.take(connection, lambda most: _execute(connection, _DELETE_OLD, most, limit))


def keep_size(
    connection: sqlite3.Connection,
    retention: Retention,
    portion: Portion,
    seen: Look | None = None,
) -> None:
    """Delete the oldest documents while the file is larger than allowed, and shrink it."""
    seen = seen or look(connection)
    if retention.max_bytes is None:
        return
    most_pages = retention.max_bytes // seen.page_bytes
    if seen.pages <= most_pages:
        return
    if seen.pages - seen.free > most_pages:
        share = _share(seen, most_pages)
        portion.take(connection, lambda most: _execute(connection, _DELETE_FIRST, min(share, most)))
        seen = look(connection)
    if seen.pages > most_pages and seen.free:
        # It frees one page a step, and sqlite3 takes only one step of a statement without
        # columns, but every step of a script.
        pages = min(seen.pages - most_pages, SHRINK_MOST_PAGES)
        connection.executescript(f"PRAGMA incremental_vacuum({pages})")


def _execute(connection: sqlite3.Connection, statement: str, *values: int | str) -> None:
    connection.execute(statement, values)


def _share(seen: Look, allowed: int) -> int:
    """Return how many documents stand for the pages too many, and a tenth more, so that not
    every batch must delete."""
    documents = 0 if seen.first is None or seen.last is None else seen.last - seen.first + 1
    used = seen.pages - seen.free
    surplus = (used - allowed) / used + 0.1
    return min(DELETE_MOST, int(documents * surplus) + 1)

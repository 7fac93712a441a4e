"""The rollup: counts by label and time, made once for documents that no longer change.

Counting a million documents one by one takes seconds; their rollup has a few per cent of the
rows. It covers the documents in segments of ``SEGMENT`` ids:

    documents_segments   one row a segment that was tallied
    documents_tally      documents of a segment with the same labels and the same beginning
                         of their time, ``width`` characters of it

Each segment is as fine as its documents allow: when they arrived in a minute it has seconds,
when they took a week it has hours. Labels that hold the JSON text of a list cannot be counted
by their text; a segment with any has width 0 and no rollup. A trigger deletes a segment's rollup
with each document of it, whichever program deletes the document. Documents outside the rollup
are counted one by one, so the rollup is never required, and it never differs from the documents.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

SEGMENT_BITS = 14
SEGMENT = 1 << SEGMENT_BITS
TIMES_MOST = 16
"""Different beginnings of times in one segment: more would make the rollup long."""
EACH = 61
"""Of so many documents one is read for its time; a prime, so that no regular interval is
missed."""
WIDTHS = (19, 18, 16, 15, 13, 10, 4)
"""Beginnings of ``2025-01-02T03:04:05.678Z``: second, ten seconds, minute, ten minutes, hour,
day, year."""

LABELS = (
    "log_level", "service", "stream", "app_module", "logger_name", '"group"', "data_stream",
)  # fmt: skip

_NAMES = ", ".join(LABELS)
TABLES = (
    """
    CREATE TABLE IF NOT EXISTS documents_segments (
        segment INTEGER PRIMARY KEY,  -- (id - 1) >> 14
        width INTEGER NOT NULL        -- characters of the times; 0 where nothing is tallied
    )
    """,
    f"""
    CREATE TABLE IF NOT EXISTS documents_tally (
        segment INTEGER NOT NULL,
        time TEXT,                    -- what the timestamps begin with
        {", ".join(f"{name} TEXT" for name in LABELS)},
        documents INTEGER NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS documents_tally_by_segment ON documents_tally (segment)",
    f"""
    CREATE TRIGGER IF NOT EXISTS documents_tally_forgets AFTER DELETE ON documents
    WHEN (old.id - 1) >> {SEGMENT_BITS} IN (SELECT segment FROM documents_segments)
    BEGIN
        DELETE FROM documents_segments WHERE segment = (old.id - 1) >> {SEGMENT_BITS};
        DELETE FROM documents_tally WHERE segment = (old.id - 1) >> {SEGMENT_BITS};
    END
    """,
)

_SOME_TIMES = f"""
SELECT DISTINCT substr(timestamp, 1, {WIDTHS[0]}) FROM documents
WHERE id BETWEEN ? AND ? AND id % {EACH} = 0
"""
_TALLY = f"""
INSERT INTO documents_tally
SELECT ?, substr(timestamp, 1, ?) AS time, {_NAMES}, count(*)
FROM documents WHERE id BETWEEN ? AND ?
GROUP BY time, {_NAMES}
"""


_HAS_LISTS = f"""
SELECT max({" OR ".join(f"substr({name}, 1, 1) IN ('[', '{{')" for name in LABELS)})
FROM documents_tally WHERE segment = ?
"""


def ids_of(segment: int) -> tuple[int, int]:
    """Return the first and last id of a segment; ids begin with 1."""
    return segment * SEGMENT + 1, (segment + 1) * SEGMENT


def make_tables(connection: sqlite3.Connection) -> None:
    """Make what is missing, inside the caller's transaction."""
    for statement in TABLES:
        connection.execute(statement)


def next_segment(connection: sqlite3.Connection, first: int, last: int) -> int | None:
    """Return the segment to roll up next, None while it is not full.

    ``first`` and ``last`` are the lowest and highest id. A segment that has lost documents at
    its front is left out: it will lose more.
    """
    (latest,) = connection.execute("SELECT max(segment) FROM documents_segments").fetchone()
    begin = (first + SEGMENT - 2) >> SEGMENT_BITS
    due = begin if latest is None else max(latest + 1, begin)
    return due if last >= ids_of(due)[1] else None


def roll_up(connection: sqlite3.Connection, segment: int) -> None:
    """Roll up one full segment, inside the caller's transaction."""
    ends = ids_of(segment)
    times = [time for (time,) in connection.execute(_SOME_TIMES, ends) if time is not None]
    width = _fitting(times)
    connection.execute(_TALLY, (segment, width, *ends))
    (has_lists,) = connection.execute(_HAS_LISTS, (segment,)).fetchone()
    if has_lists:
        connection.execute("DELETE FROM documents_tally WHERE segment = ?", (segment,))
        width = 0
    connection.execute("INSERT INTO documents_segments VALUES (?, ?)", (segment, width))


def leave_out(connection: sqlite3.Connection, segment: int) -> None:
    """Have the documents of a segment counted one by one, inside the caller's transaction."""
    connection.execute("INSERT INTO documents_segments VALUES (?, 0)", (segment,))


def _fitting(times: list[str]) -> int:
    """Return the finest width for a sample of times."""
    fits = (one for one in WIDTHS if len({time[:one] for time in times}) <= TIMES_MOST)
    return next(fits, WIDTHS[-1])


def segments(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the width of each tallied segment, in the order of ids; none in a store that an
    older version has made."""
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents_segments'")
    if made.fetchone() is None:
        return {}
    rows = connection.execute("SELECT segment, width FROM documents_segments ORDER BY segment")
    return dict(rows.fetchall())


def gaps(taken: Iterable[int], first: int, last: int) -> list[tuple[int, int]]:
    """Return the ranges of ids from ``first`` to ``last`` that lie in none of ``taken``."""
    found, begin = [], first
    for segment in sorted(taken):
        start, end = ids_of(segment)
        if start > begin:
            found.append((begin, min(start - 1, last)))
        begin = max(begin, end + 1)
    if begin <= last:
        found.append((begin, last))
    return found

"""Decides how to read: whether few documents can match, and which.

The text index tells it for words, the rollup for labels. Few documents are fetched by their ids;
many are searched in the order of time.
"""

from __future__ import annotations

import sqlite3

from ptingest.sinks.store.read.pagination import FIRST_ROWS
from ptingest.sinks.store.read.sql import Condition
from ptingest.sinks.store.rollup import SEGMENT, gaps, segments

CANDIDATES_MOST = 20_000
"""Up to so many documents that hold the words are fetched one by one."""
SEGMENTS_MOST = 6
"""Up to so many segments, or as many documents outside the rollup, are read as a whole."""
DEAR_ROWS = 1 << 12
CHEAP_ROWS = 1 << 17
VALUES_USUAL = 8
"""Documents read between two checks of the clock: when each costs a read of its body, and when
none does."""


def candidates(connection: sqlite3.Connection, query: Condition) -> str | None:
    """Return the few documents that hold the words as a source of rows, None when they are many
    or the query has no words."""
    for table in query.required:
        (number,) = connection.execute(f"SELECT count(*) FROM temp.{table}").fetchone()
        if number * weight(query) <= CANDIDATES_MOST:
            return f"temp.{table} CROSS JOIN documents ON documents.id = temp.{table}.id"
    return None


def rare_ids(connection: sqlite3.Connection, query: Condition) -> str | None:
    """Return a condition on ``id`` for all documents with rare labels, None when they are in
    too many segments, or when the query is not on labels alone."""
    tallied = {one for one, width in segments(connection).items() if width}
    if not query.has_labels_only or not tallied:
        return None
    rows = connection.execute(
        f"SELECT DISTINCT segment FROM {tally_rows('TRUE')} "
        f"WHERE {query.sql} LIMIT {SEGMENTS_MOST + 1}",
        query.values,
    )
    hits = {segment for (segment,) in rows}
    (first,) = connection.execute("SELECT min(id) FROM documents").fetchone()
    (last,) = connection.execute("SELECT max(id) FROM documents").fetchone()
    ranges = gaps(tallied - hits, first, last)
    if sum(end - start + 1 for start, end in ranges) > SEGMENTS_MOST * SEGMENT:
        return None
    return f"({' OR '.join(f'id BETWEEN {start} AND {end}' for start, end in ranges) or 'FALSE'})"


def tally_rows(condition: str) -> str:
    """Return the rollup under the documents' name, so that conditions on labels can be used; no
    condition reads a body, since no label in the rollup is a list."""
    return (
        "(SELECT *, NULL AS body FROM documents_tally JOIN documents_segments USING (segment) "
        f"WHERE {condition}) AS documents"
    )


def most_rows(query: Condition) -> int:
    """Return how many documents may be read between two checks of the clock."""
    is_dear = bool(query.functions) or ("json_each" in query.sql and not query.has_labels_only)
    return max(1, (DEAR_ROWS if is_dear else CHEAP_ROWS) // weight(query))


def first_rows(query: Condition) -> int:
    """Return how many documents may be read before the first check."""
    return max(1, FIRST_ROWS // weight(query))


def weight(query: Condition) -> int:
    """Return the cost of the query for one document, in multiples of a usual query's."""
    phrases = sum(map(len, query.functions.values()))
    conditions = len(query.values) + len(query.texts) + phrases
    return max(1, conditions // VALUES_USUAL)

"""Reads a store from the newest document to the oldest, a slice at a time.

The caller may stop between two slices when time is up; the documents read until then are
complete down to one moment, which the caller can report.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ptingest.errors import QueryInvalid
from ptingest.sinks.store.schema import BY_TIME, has_labels_index

FIRST_ROWS = 4096
ROWS_MOST = 1 << 17


class PageCursor(NamedTuple):
    """A document's place in the order of time; documents without a time come last."""

    timestamp: str | None
    id: int

    def __str__(self) -> str:
        return f"{self.timestamp or ''},{self.id}"

    @classmethod
    def read(cls, text: str) -> PageCursor:
        """Return the place written as ``TIME,ID``.

        Raises:
            QueryInvalid: it is not a place.
        """
        timestamp, _, number = text.rpartition(",")
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise QueryInvalid(
                query=text, column=1, seen=repr(text), expected="a place, as a page's link has it"
            )
        return cls(timestamp or None, int(number))


class Slice(NamedTuple):
    """A condition for documents that follow each other in time."""

    sql: str
    values: list[str | int]
    end: PageCursor | None
    """The place of its oldest document, None in the last slice."""


def by_time(connection: sqlite3.Connection) -> str:
    """Return the documents as a source that is read in the order of time."""
    # Without this SQLite may prefer the keys' index, and sort.
    return f"documents INDEXED BY {BY_TIME}" if has_labels_index(connection) else "documents"


def slices(
    connection: sqlite3.Connection,
    *,
    since: str | None = None,
    until: str | None = None,
    after: PageCursor | None = None,
    first_rows: int = FIRST_ROWS,
    most_rows: int = ROWS_MOST,
) -> Iterator[Slice]:
    """Yield slices, newest first, each twice as long as the one before; with ``after`` only
    those behind that place."""
    source, rows = by_time(connection), first_rows
    sql, values = "timestamp IS NOT NULL", list[str | int]()
    if until is not None:
        sql, values = "timestamp <= ?", [until]
    if after is not None and after.timestamp is not None:
        sql = f"{sql} AND (timestamp, id) < (?, ?)"
        values += [after.timestamp, after.id]
    floor, floors = ("timestamp >= ?", [since]) if since is not None else ("TRUE", [])
    while after is None or after.timestamp is not None:
        end = connection.execute(
            f"SELECT timestamp, id FROM {source} WHERE {sql} AND {floor} "
            "ORDER BY timestamp DESC, id DESC LIMIT 1 OFFSET ?",
            [*values, *floors, rows - 1],
        ).fetchone()
        if end is None:
            yield Slice(f"{sql} AND {floor}", [*values, *floors], None)
            break
        yield Slice(f"{sql} AND (timestamp, id) >= (?, ?)", [*values, *end], PageCursor._make(end))
        sql, values = "(timestamp, id) < (?, ?)", list(end)
        rows = min(2 * rows, most_rows)
    if since is None and until is None:
        beyond, most = ("id < ?", [after.id]) if after and after.timestamp is None else ("TRUE", [])
        yield Slice(f"timestamp IS NULL AND {beyond}", list(most), None)

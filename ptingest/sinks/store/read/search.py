"""Reads the store: search and count, also while a server writes.

Each question is answered from one snapshot. The snapshot ends before the first hit is returned,
since a reader that holds one open (a pager, half read) prevents the server's write-ahead log
from starting anew; a document that retention deletes meanwhile is left out.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql.fields import EXACT_COLUMNS, KEYWORD_COLUMNS
from ptingest.kql.parser import is_field
from ptingest.model.explore import Hit, View
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds, resolved, snapshot
from ptingest.sinks.store.read.sql import Condition, may_be_json, path_of
from ptingest.sinks.store.schema import open_reader

ROWS_A_FETCH = 256


class StreamCount(NamedTuple):
    """How many documents of one category a data stream holds."""

    data_stream: str
    stream: str | None
    documents: int


class StoreReader:
    """A store opened for reading; use it in a ``with``, in one thread at a time.

    Raises:
        SinkUnavailable: there is no store at ``path``, or it became unreadable.
    """

    def __init__(self, path: Path, *, now: datetime) -> None:
        self._path, self._now = path, now
        self._connection = open_reader(path, any_thread=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        if isinstance(error, sqlite3.Error):
            raise SinkUnavailable(sink="store", cause=f"{self._path}: {error}") from error

    def interrupt(self) -> None:
        """End the statement that runs in another thread, if there is one."""
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile
            self._connection.interrupt()

    def question(self, view: View) -> StoreQuery:
        """Return the view with its times resolved.

        Raises:
            QueryInvalid: a time cannot be read.
        """
        return resolved(view, self._now)

    def search(self, question: StoreQuery, *, limit: int | None = None) -> Iterator[Hit]:
        """Yield the documents that match, oldest first; with ``limit`` the newest so many of
        them.

        Raises:
            QueryInvalid: before the first hit.
        """
        ids = self._find(question, limit)
        for start in range(0, len(ids), ROWS_A_FETCH):
            some = ids[start : start + ROWS_A_FETCH]
            rows = self._connection.execute(
                "SELECT id, timestamp, stored_at, data_stream, key, body FROM documents "
                f"WHERE id IN ({', '.join('?' * len(some))})",
                some,
            ).fetchall()
            found = {row[0]: Hit(str(row[0]), *row[1:]) for row in rows}
            yield from (found[one] for one in some if one in found)

    def _find(self, question: StoreQuery, limit: int | None) -> array[int]:
        """Return the ids of the documents that match, oldest first."""
        with snapshot(self._connection, question, now=self._now) as query:
            where = in_bounds(query, question)
            sql = f"SELECT id FROM documents WHERE {where.sql} ORDER BY timestamp"
            values = where.values
            if limit is None:
                sql = f"{sql}, id"
            else:
                sql, values = f"{sql} DESC, id DESC LIMIT ?", [*values, limit]
            ids = array("q", (row[0] for row in self._connection.execute(sql, values)))
        if limit is not None:
            ids.reverse()
        return ids

    def count(self, question: StoreQuery) -> int:
        """Return how many documents match."""
        with snapshot(self._connection, question, now=self._now) as query:
            where = in_bounds(query, question)
            sql = f"SELECT count(*) FROM documents WHERE {where.sql}"
            return int(self._connection.execute(sql, where.values).fetchone()[0])

    def count_by(self, question: StoreQuery, field: str) -> list[tuple[str | None, int]]:
        """Return each value of ``field`` with its number of documents, most frequent first.

        A list counts once for each of its elements; None counts the documents without the
        field.
        """
        if not is_field(field):
            raise QueryInvalid(
                query=field, column=1, seen=f"{field!r}", expected="a field name without quotes"
            )
        values, source = _values_of(field)
        with snapshot(self._connection, question, now=self._now) as query:
            where = in_bounds(query, question)
            sql = (
                f"SELECT {values.sql}, count(DISTINCT documents.id) FROM {source} "
                f"WHERE {where.sql} GROUP BY 1 ORDER BY 2 DESC, 1"
            )
            return self._connection.execute(sql, [*values.values, *where.values]).fetchall()

    def counts(self) -> list[StreamCount]:
        """Return how many documents there are by data stream and category."""
        rows = self._connection.execute(
            "SELECT data_stream, stream, count(*) FROM documents GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [StreamCount._make(row) for row in rows]


def _values_of(field: str) -> tuple[Condition, str]:
    """Return SQL for a field's value, and the rows to take it from: one row a document and
    element, or one row with NULL when there is none."""
    if field in EXACT_COLUMNS:
        return Condition(EXACT_COLUMNS[field]), "documents"
    column = KEYWORD_COLUMNS.get(field)
    body, plain = "documents.body", "NULL"
    if column is not None:  # most values are in the column; only lists need the body
        body = f"CASE WHEN {may_be_json(column)} THEN documents.body ELSE '{{}}' END"
        plain = f"CASE WHEN {may_be_json(column)} THEN NULL ELSE {column} END"
    nested, *dotted = path_of(field)
    value = (
        "CASE each.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        f"ELSE coalesce(CAST(each.value AS TEXT), {plain}) END"
    )
    source = (
        f"documents LEFT JOIN json_each({body}, "
        f"CASE WHEN json_type({body}, ?) IS NULL THEN ? ELSE ? END) AS each "
        "ON typeof(each.key) <> 'text'"
    )
    return Condition(value, [nested, *(dotted or [nested]), nested]), source

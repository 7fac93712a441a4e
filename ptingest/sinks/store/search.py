"""Reading the store: searching, counting; also while a server writes.

Each question is answered as of one moment. The moment ends before the first hit is handed
out, since a reader that holds one open (a pager, half read) keeps the server's write-ahead
log from starting anew; a document that retention deletes meanwhile is left out.

Messages that the text index does not hold yet are few (see ``schema``); the reader indexes
them for itself, in memory, when a query asks for words.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.sinks.store.query import is_field, parse
from ptingest.sinks.store.schema import TEXT_OPTIONS, has_text_index, index_end, open_reader
from ptingest.sinks.store.sql import (
    EXACT_COLUMNS,
    KEYWORD_COLUMNS,
    Condition,
    condition,
    may_be_json,
    path_of,
)

_TAIL = f"CREATE VIRTUAL TABLE temp.unindexed USING fts5(message, {TEXT_OPTIONS})"
_FILL_TAIL = """
INSERT INTO temp.unindexed (rowid, message) SELECT id, message FROM documents WHERE id > ?
"""
ROWS_A_FETCH = 256


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for; times are the store's time text, None is without bound."""

    query: str
    since: str | None = None
    until: str | None = None
    data_stream: str | None = None


class Hit(NamedTuple):
    """One document found; ``body`` is it whole, as JSON."""

    data_stream: str
    body: str


class StreamCount(NamedTuple):
    """How many documents of one category a data stream holds."""

    data_stream: str
    stream: str | None
    documents: int


class StoreReader:
    """A store opened for reading; use it in a ``with``.

    Raises:
        SinkUnavailable: there is no store at ``path``, or it became unreadable.
    """

    def __init__(self, path: Path, *, now: datetime) -> None:
        self._path, self._now = path, now
        self._connection = open_reader(path)

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

    def search(self, question: Question, *, limit: int | None = None) -> Iterator[Hit]:
        """Yield what matches, oldest first; with ``limit`` the newest so many of them.

        Raises:
            QueryInvalid: before the first hit.
        """
        ids = self._find(question, limit)
        for start in range(0, len(ids), ROWS_A_FETCH):
            some = ids[start : start + ROWS_A_FETCH]
            rows = self._connection.execute(
                "SELECT id, data_stream, body FROM documents "
                f"WHERE id IN ({', '.join('?' * len(some))})",
                some,
            ).fetchall()
            found = {row[0]: Hit(row[1], row[2]) for row in rows}
            yield from (found[one] for one in some if one in found)

    def _find(self, question: Question, limit: int | None) -> array[int]:
        """Return the ids of what matches, oldest first."""
        with self._moment(question) as where:
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

    def count(self, question: Question) -> int:
        """Return how many documents match."""
        with self._moment(question) as where:
            sql = f"SELECT count(*) FROM documents WHERE {where.sql}"
            return int(self._connection.execute(sql, where.values).fetchone()[0])

    def count_by(self, question: Question, field: str) -> list[tuple[str | None, int]]:
        """Return each value of ``field`` with its number of documents, most first.

        A list counts once for each of its elements; None stands for documents without it.
        """
        if not is_field(field):
            raise QueryInvalid(
                query=field, column=1, seen=f"{field!r}", expected="a field name without quotes"
            )
        values, source = _values_of(field)
        with self._moment(question) as where:
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

    @contextmanager
    def _moment(self, question: Question) -> Iterator[Condition]:
        """Hold one moment of the store and say what the question means in it."""
        query = parse(question.query)
        self._connection.execute("BEGIN")
        try:
            where = condition(
                query, text=question.query, now=self._now, text_tables=self._text_tables()
            )
            for name, function in where.functions.items():
                self._connection.create_function(name, 1, function, deterministic=True)
            if "unindexed" in where.sql:
                self._connection.execute(_TAIL)
                self._connection.execute(_FILL_TAIL, (index_end(self._connection),))
            yield _bounded(where, question)
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")  # takes the words in memory along

    def _text_tables(self) -> list[str]:
        indexed = ["documents_text"] if has_text_index(self._connection) else []
        return [*indexed, "unindexed"]


def _values_of(field: str) -> tuple[Condition, str]:
    """Return SQL for a field's value, and the rows to take it from: one row a document and
    element, or one of NULL where there is none."""
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
        f"CASE WHEN json_type({body}, ?1) IS NULL THEN ?2 ELSE ?1 END) AS each "
        "ON typeof(each.key) <> 'text'"
    )
    return Condition(value, [nested, *(dotted or [nested])]), source


def _bounded(where: Condition, question: Question) -> Condition:
    bounds: list[tuple[str, str | None]] = [
        ("timestamp >= ?", question.since),
        ("timestamp <= ?", question.until),
        ("data_stream = ?", question.data_stream),
    ]
    given = [(sql, value) for sql, value in bounds if value is not None]
    return Condition(
        " AND ".join([where.sql, *(sql for sql, _ in given)]),
        [*where.values, *(value for _, value in given)],
        where.functions,
    )

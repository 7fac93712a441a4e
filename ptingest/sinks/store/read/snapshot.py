"""One moment of the store, and what a question means in it.

Messages that the text index does not hold yet are few (see ``schema``); they are indexed here,
in memory, when a query asks for words. Those too long for it are looked through. The documents
that hold the words are looked up once, so that the rest of a question may be asked in several
statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from ptingest.kql.deadline import deadline
from ptingest.kql.globs import glob_until_nul
from ptingest.kql.parser import parse
from ptingest.kql.times import asked_moment
from ptingest.kql.tokens import finder
from ptingest.model.explore import View
from ptingest.sinks.store.read.sql import Condition, condition
from ptingest.sinks.store.schema import (
    LONG_CHARACTERS,
    TEXT_OPTIONS,
    has_long_messages,
    has_text_index,
    index_end,
)

_TAIL = f"CREATE VIRTUAL TABLE temp.unindexed USING fts5(message, {TEXT_OPTIONS})"
_FILL_TAIL = f"""
INSERT INTO temp.unindexed (rowid, message)
SELECT id, message FROM documents WHERE id > ? AND length(message) <= {LONG_CHARACTERS}
"""
_LONG = "SELECT id FROM documents_long WHERE id > ?"
_LONG_IN_TAIL = f"""
SELECT id FROM documents WHERE id > ? AND length(message) > {LONG_CHARACTERS}
"""


@dataclass(frozen=True, slots=True)
class StoreQuery:
    """What to look for; times are the store's time text, None is without bound."""

    query: str
    since: str | None = None
    until: str | None = None
    data_stream: str | None = None


def resolved(view: View, now: datetime) -> StoreQuery:
    """Return a view's question with its times resolved.

    Raises:
        QueryInvalid: a time cannot be read.
    """
    return StoreQuery(
        view.query,
        asked_moment(view.since, now, name="since"),
        asked_moment(view.until, now, name="until", is_end=True),
        view.data_stream,
    )


@contextmanager
def snapshot(
    connection: sqlite3.Connection,
    question: StoreQuery,
    *,
    now: datetime,
    after_id: int = 0,
    is_time_up: Callable[[], bool] = lambda: False,
) -> Iterator[Condition]:
    """Hold one moment of the store and say what the question's query means in it; bounds are
    added by ``in_bounds``.

    With ``after_id`` only documents stored after that one are looked through for words.

    Raises:
        QueryInvalid: the query cannot be read.
        TimeIsUp: before its words were looked up.
    """
    where = condition(parse(question.query), text=question.query, now=now)
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("BEGIN")
    try:
        for name, phrases in where.functions.items():
            test = finder(phrases, is_time_up)
            connection.create_function(name, 1, test, deterministic=True)
        for name, pieces in where.globs.items():
            connection.create_function(name, 1, glob_until_nul(pieces), deterministic=True)
        if where.texts:
            with deadline(connection, is_time_up):
                _look_up_words(connection, where, after_id, is_time_up)
        yield where
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")  # takes the temporary tables along


def _look_up_words(
    connection: sqlite3.Connection,
    where: Condition,
    after_id: int,
    is_time_up: Callable[[], bool],
) -> None:
    connection.execute(_TAIL)
    tail = max(after_id, index_end(connection))
    connection.execute(_FILL_TAIL, (tail,))
    long = [*connection.execute(_LONG_IN_TAIL, (tail,))]
    if has_long_messages(connection):
        long += connection.execute(_LONG, (after_id,))
    indexes = ["main.documents_text"] if has_text_index(connection) else []
    for table, expression in where.texts.items():
        connection.execute(f"CREATE TEMPORARY TABLE {table} (id INTEGER PRIMARY KEY)")
        for index in (*indexes, "temp.unindexed"):
            connection.execute(
                f"INSERT OR IGNORE INTO temp.{table} "
                f"SELECT rowid FROM {index} WHERE message MATCH ? AND rowid > ?",
                (expression, after_id),
            )
        if long:
            function = f"holds_{table}"
            test = finder(where.phrases[table], is_time_up)
            connection.create_function(function, 1, test, deterministic=True)
            connection.executemany(
                f"INSERT OR IGNORE INTO temp.{table} "
                f"SELECT id FROM documents WHERE id = ? AND {function}(message)",
                long,
            )


def in_bounds(where: Condition, question: StoreQuery) -> Condition:
    """Return the query's condition with the question's times and data stream."""
    bounds: list[tuple[str, str | None]] = [
        ("timestamp >= ?", question.since),
        ("timestamp <= ?", question.until),
        ("data_stream = ?", question.data_stream),
    ]
    given = [(sql, value) for sql, value in bounds if value is not None]
    return where.bounded([sql for sql, _ in given], [value for _, value in given])

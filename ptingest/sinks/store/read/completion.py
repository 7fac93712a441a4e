"""Completion of queries: names of fields, and values of a field.

Values of labels come from the rollup and are complete; those of other fields come from the
documents stored last.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

import msgspec

from ptingest.kql.fields import EXACT_COLUMNS, KEYWORD_COLUMNS
from ptingest.kql.parser import is_field
from ptingest.model.explore import FieldValue
from ptingest.sinks.store.read.bodies import ask_small, read_excerpts
from ptingest.sinks.store.read.sql import path_of
from ptingest.sinks.store.rollup import ids_of, segments

SAMPLE = 500
"""Documents that are read for the names of their fields."""
VALUES_SAMPLE = 5_000
"""Documents that are read for values of a field that is not a label."""
VALUE_CHARACTERS = 200
"""Longer values are not offered."""
DEPTH_MOST = 8
ALWAYS = ("@timestamp", "message", "_id", "_index", *KEYWORD_COLUMNS)


def fields(connection: sqlite3.Connection) -> list[str]:
    """Return the sorted names of fields in documents that were stored lately."""
    names = set(ALWAYS)
    for body in read_excerpts(connection, _late(connection, SAMPLE)):
        try:
            _collect(msgspec.json.decode(body), "", names, 0)
        except (msgspec.DecodeError, RecursionError):
            continue
    return sorted(names)


def _late(connection: sqlite3.Connection, most: int) -> list[int]:
    rows = connection.execute("SELECT id FROM documents ORDER BY id DESC LIMIT ?", (most,))
    return [number for (number,) in rows]


def _collect(value: Any, name: str, names: set[str], depth: int) -> None:
    if isinstance(value, dict) and depth < DEPTH_MOST:
        for key, inner in value.items():
            if is_field(key):
                _collect(inner, f"{name}.{key}" if name else key, names, depth + 1)
    elif name and len(name) <= VALUE_CHARACTERS:
        names.add(name)


def values(
    connection: sqlite3.Connection, field: str, *, beginning: str, limit: int
) -> list[FieldValue]:
    """Return values of a field that begin with a prefix, in any case of letters, most frequent
    first."""
    if not is_field(field):
        return []
    column = {**KEYWORD_COLUMNS, **EXACT_COLUMNS}.get(field)
    if column is not None and field != "_id":
        counted = _of_label(connection, column)
    else:
        counted = _of_body(connection, field)
    wanted = beginning.casefold()
    fits = [
        FieldValue(text, documents)
        for text, documents in counted.items()
        if len(text) <= VALUE_CHARACTERS and text.casefold().startswith(wanted)
    ]
    return sorted(fits, key=lambda one: (-one.documents, one.text))[:limit]


def _of_label(connection: sqlite3.Connection, column: str) -> Counter[str]:
    """Count in the rollup, and in the documents that were stored after it."""
    counted: Counter[str] = Counter()
    tallied = [segment for segment, width in segments(connection).items() if width]
    after = 0
    if tallied:
        after = ids_of(tallied[-1])[1]
        counted.update(
            dict(
                connection.execute(
                    f"SELECT {column}, sum(documents) FROM documents_tally "
                    f"WHERE {column} IS NOT NULL GROUP BY 1"
                )
            )
        )
    rows = connection.execute(
        f"SELECT {column}, count(*) FROM (SELECT {column} FROM documents NOT INDEXED "
        f"WHERE id > ? ORDER BY id DESC LIMIT {10 * VALUES_SAMPLE}) "
        f"WHERE {column} IS NOT NULL GROUP BY 1",
        (after,),
    )
    for text, documents in rows:
        for element in _elements(text):
            counted[element] += documents
    return counted


def _elements(text: str) -> list[str]:
    if text[:1] != "[":
        return [text]
    try:
        decoded = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [text]
    return [one for one in decoded if isinstance(one, str)]


def _of_body(connection: sqlite3.Connection, field: str) -> Counter[str]:
    nested, *dotted = path_of(field)

    def ask(is_small: str) -> list[tuple[str | None, int]]:
        return connection.execute(
            "SELECT CASE each.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            "ELSE CAST(each.value AS TEXT) END, count(*) "
            f"FROM (SELECT CASE WHEN {is_small} AND json_valid(body) THEN body ELSE '{{}}' END "
            "AS body FROM documents ORDER BY id DESC LIMIT ?) AS late, "
            "json_each(body, CASE WHEN json_type(body, ?) IS NULL THEN ? ELSE ? END) AS each "
            "WHERE each.atom IS NOT NULL AND typeof(each.key) <> 'text' GROUP BY 1",
            (VALUES_SAMPLE, nested, (dotted or [nested])[0], nested),
        ).fetchall()

    rows = ask_small(connection, lambda: _late(connection, VALUES_SAMPLE), ask)
    return Counter({text: documents for text, documents in rows if text is not None})

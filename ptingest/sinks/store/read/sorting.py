"""Documents in the order of one field, a page at a time.

Times have an index, and pages in their order end early. For every other field all documents that
match are read, so the caller sets a deadline. A page ends at a place: the field's value and the
document's id, as JSON.
"""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

import msgspec

from ptingest.errors import QueryInvalid
from ptingest.kql.fields import EXACT_COLUMNS, KEYWORD_COLUMNS, TEXT_FIELDS
from ptingest.kql.parser import is_field
from ptingest.model.explore import Sort
from ptingest.sinks.store.read.pagination import by_time
from ptingest.sinks.store.read.planner import candidates
from ptingest.sinks.store.read.sql import Condition, path_of

VALUE_CHARACTERS = 256
"""Texts are compared up to here."""

SortedValue = str | int | float | None


class SortedPlace(NamedTuple):
    """A document's place in the order of a field; documents without it come last."""

    value: SortedValue
    id: int

    def __str__(self) -> str:
        return json.dumps([self.value, self.id])

    @classmethod
    def read(cls, text: str) -> SortedPlace:
        """Return the place written as ``[VALUE, ID]``.

        Raises:
            QueryInvalid: it is not a place.
        """
        try:
            value, number = msgspec.json.decode(text, type=tuple[SortedValue, int])
        except (msgspec.DecodeError, RecursionError):
            raise QueryInvalid(
                query=text, column=1, seen=repr(text), expected="a place, as a page's link has it"
            ) from None
        return cls(value, number)


def check_sort(sort: Sort) -> None:
    """Refuse what has no order.

    Raises:
        QueryInvalid: for a field that is searched word by word, or that is none.
    """
    if sort.field in TEXT_FIELDS or not is_field(sort.field):
        raise QueryInvalid(
            query=sort.field,
            column=1,
            seen=f"sort by {sort.field!r}",
            expected="a field with single values, such as @timestamp, log.offset or service; "
            f"{', '.join(TEXT_FIELDS)} are searched word by word",
        )


def sorted_places(
    connection: sqlite3.Connection,
    query: Condition,
    where: Condition,
    *,
    sort: Sort,
    after: SortedPlace | None,
    limit: int,
) -> list[SortedPlace]:
    """Return up to ``limit`` places behind ``after``, in order; ``where`` is ``query`` in its
    bounds."""
    value, values = _value_of(sort.field)
    source, order = by_time(connection), "ASC" if sort.is_ascending else "DESC"
    if (few := candidates(connection, query)) is not None:
        source = few
    found: list[SortedPlace] = []
    # Two statements, so that the index on times is used.
    for is_null in (False, True):
        if is_null is False and after is not None and after.value is None:
            continue
        behind, more = _behind(after, sort, is_null=is_null)
        rows = connection.execute(
            f"SELECT value, id FROM (SELECT {value} AS value, documents.id AS id FROM {source} "
            f"WHERE {where.sql}) WHERE value IS {'' if is_null else 'NOT '}NULL AND {behind} "
            f"ORDER BY value {order}, id {order} LIMIT ?",
            [*values, *where.values, *more, limit - len(found)],
        )
        found += map(SortedPlace._make, rows)
        if len(found) >= limit:
            break
    return found


def _behind(
    after: SortedPlace | None, sort: Sort, *, is_null: bool
) -> tuple[str, list[SortedValue]]:
    sign = ">" if sort.is_ascending else "<"
    if after is None or (is_null and after.value is not None):
        return "TRUE", []
    if is_null:
        return f"id {sign} ?", [after.id]
    return f"(value, id) {sign} (?, ?)", [after.value, after.id]


def _value_of(field: str) -> tuple[str, list[str]]:
    """Return SQL for what is compared, with its values: a number, or the beginning of a text."""
    if field == "@timestamp":
        return "timestamp", []
    column = {**EXACT_COLUMNS, **KEYWORD_COLUMNS}.get(field)
    if column is not None:
        return f"substr({column}, 1, {VALUE_CHARACTERS})", []
    paths = path_of(field)
    found = f"coalesce({', '.join('json_extract(documents.body, ?)' for _ in paths)}, NULL)"
    sql = f"CASE WHEN json_valid(documents.body) THEN {found} END"
    return (
        f"CASE typeof({sql}) WHEN 'text' THEN substr({sql}, 1, {VALUE_CHARACTERS}) ELSE {sql} END",
        [*paths, *paths, *paths],
    )

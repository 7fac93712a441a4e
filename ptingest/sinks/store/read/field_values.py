"""Values of fields that the rollup does not hold, counted in the documents at hand."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ptingest.errors import QueryInvalid
from ptingest.kql.fields import TEXT_FIELDS, value_of
from ptingest.kql.parser import is_field
from ptingest.kql.predicate import is_number, number_text
from ptingest.model.explore import FACETS_MOST
from ptingest.sinks.store.read.bodies import read_excerpts

CHECK_EVERY = 64
"""Documents between two checks of the clock."""


def check_facets(fields: Sequence[str]) -> None:
    """Refuse fields whose values cannot be counted.

    Raises:
        QueryInvalid: for a field that is searched word by word, for one that is none, and for
            more than ``FACETS_MOST``.
    """
    if len(fields) > FACETS_MOST:
        raise QueryInvalid(
            query=",".join(fields),
            column=1,
            seen=f"{len(fields)} facets",
            expected=f"at most {FACETS_MOST}",
        )
    for field in fields:
        if field in TEXT_FIELDS or not is_field(field):
            raise QueryInvalid(
                query=field,
                column=1,
                seen=f"a facet of {field!r}",
                expected="a field with single values, such as host.name; "
                f"{', '.join(TEXT_FIELDS)} are searched word by word",
            )


def count_values(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    fields: Sequence[str],
    *,
    is_time_up: Callable[[], bool],
) -> tuple[dict[str, Counter[str | None]], int]:
    """Count the values of ``fields`` in these documents, in order, until time is up; returns
    how many documents were counted as well.

    A list counts once for each of its elements, None for each document without the field. Of
    a large document long values are cut.
    """
    counted: dict[str, Counter[str | None]] = {field: Counter() for field in fields}
    documents = 0
    for body in read_excerpts(connection, ids):
        if documents % CHECK_EVERY == 0 and documents and is_time_up():
            break
        document = _decoded(body)
        for field, counter in counted.items():
            values: set[str | None] = set(_texts(value_of(document, field)))
            counter.update(values or {None})
        documents += 1
    return counted, documents


def _decoded(body: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> Iterable[str]:
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, str):
            yield one
        elif isinstance(one, bool):
            yield "true" if one else "false"
        elif is_number(one):
            yield number_text(one)

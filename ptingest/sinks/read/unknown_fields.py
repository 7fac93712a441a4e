"""Fields that a view names and no document has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from ptingest.kql.fields import fields_of, value_of
from ptingest.kql.parser import parse
from ptingest.model.explore import FACETS, Hit, View

USUAL = frozenset(
    {"@timestamp", "message", "log_message", "event.original", "_id", "_index", "group", *FACETS}
)
"""Fields that every site knows, whether its documents have them at the moment or not."""


def named_fields(view: View) -> list[str]:
    """Return the fields that a view's query, order and facets name, without the usual ones.

    Raises:
        QueryInvalid: the query cannot be read.
    """
    named = [*fields_of(parse(view.query)), view.sort.field, *view.facets]
    return [field for field in dict.fromkeys(named) if field not in USUAL]


def unknown_fields(
    named: Iterable[str], known: Collection[str], hits: Iterable[Hit] = ()
) -> list[str]:
    """Return those of ``named`` that are neither ``known``, nor the beginning of a known name,
    nor in one of ``hits``."""
    missing = [
        field
        for field in named
        if field not in known and not any(one.startswith(f"{field}.") for one in known)
    ]
    for hit in hits if missing else ():
        body = _decoded(hit.body)
        missing = [field for field in missing if value_of(body, field) is None]
    return missing


def _decoded(body: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

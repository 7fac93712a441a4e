"""Fields that are searched under other names, and the forms in which values are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range
from ptingest.kql.tokens import Phrase, phrase

KEYWORD_COLUMNS = {
    "group": '"group"',
    "service": "service",
    "log_level": "log_level",
    "logger_name": "logger_name",
    "stream": "stream",
    "app_module": "app_module",
}
"""Fields of a document that have a column of their own, by their name in SQL."""

EXACT_COLUMNS = {"_index": "data_stream", "_id": "key"}
"""Elasticsearch's own names for the place of a document; always plain text here."""


TEXT_FIELDS = ("message", "log_message", "event.original")
"""Fields that are searched word by word."""

_INT64 = 1 << 63


def phrases_of(value: QueryValue) -> list[Phrase]:
    """Split a value into phrases: a quoted value is one phrase, an unquoted one is any of its
    words."""
    if value.is_quoted:
        wanted = [phrase((value.text,))]
    else:
        # Marks the wildcards while the text is split at its blanks.
        written = "\0".join(piece.replace("\0", " ") for piece in value.pieces).split()
        wanted = [phrase(word.split("\0")) for word in written]
    return [words_in_a_row for words_in_a_row in wanted if words_in_a_row]


def number_of(text: str) -> int | float | None:
    """Return a number that SQLite can compare, None when ``text`` is not a number."""
    try:
        whole = int(text)
        return whole if -_INT64 <= whole < _INT64 else float(whole)
    except (ValueError, OverflowError):
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def fields_of(query: Query) -> Iterator[str]:
    """Yield the fields that a query names, each as often as it does."""
    match query:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from fields_of(part)
        case Negated(part):
            yield from fields_of(part)
        case Match(name, _):
            yield name or "message"
        case Range(name, _, _):
            yield name


def value_of(document: dict[str, Any], name: str) -> Any:
    """Return a field's value by its dotted name: nested, or written so at the top; None where
    there is none."""
    if name in document:
        return document[name]
    value: Any = document
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value

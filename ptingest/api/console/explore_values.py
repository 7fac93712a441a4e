"""What the templates of Explore are rendered with: links, rows, choices and sentences."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlencode

from ptingest.api.console.clauses import added, clause, holds, without
from ptingest.api.console.documents import ShownField, body_of, cell, columns_of, text_of
from ptingest.api.console.explore_address import PATH, ExploreAddress, sort_of
from ptingest.api.console.highlights import Highlights
from ptingest.api.console.site import ROOT
from ptingest.api.console.timeline import Timeline, step_words, timeline
from ptingest.doctor.units import cut
from ptingest.errors import QueryInvalid
from ptingest.kql.fields import TEXT_FIELDS
from ptingest.model.explore import DocumentReader, ExploreResult, Facet, Hit

RANGES = (("15m", "15 min"), ("1h", "1 h"), ("24h", "24 h"), ("7d", "7 d"), ("", "all"))
EXAMPLES = (
    "{group}",
    "{group} AND service:django AND log_level:ERROR",
    "{group} AND stream:app AND app_module:parcels",
    "{group} AND log_level:CRITICAL",
    "{group} AND stream:aws",
    "{group} AND logger_name:apps.parcels.views",
    "{group} AND service:django AND app_module:parcels AND log_level:ERROR",
)
"""The everyday queries; ``{group}`` is the clause of the first group of the profile in force."""
CELL_CHARACTERS = 400
"""Of a cell in a list."""
VALUE_CHARACTERS = 1000
"""A longer value of a label is not offered as a filter."""
AGE = re.compile(r"\d+[smhdw]")


class FacetChoice(NamedTuple):
    """One value of a facet, with what a click on it does."""

    value: str | None
    documents: int
    is_chosen: bool
    toggle: str
    exclude: str


def pointed(asked: ExploreAddress, error: QueryInvalid) -> dict[str, object]:
    """Say what is wrong and where; a time or a page address has no column in the query."""
    return {
        "seen": error.seen,
        "expected": error.expected,
        "column": error.column if error.query == asked.query else None,
        "before": error.query[: error.column - 1],
        "at": error.query[error.column - 1 : error.column] or " ",
        "after": error.query[error.column :],
    }


def view_values(
    asked: ExploreAddress, look: ExploreResult | None, reader: DocumentReader, group: str
) -> dict[str, object]:
    """Return what the page is rendered with; less of it without a result. ``group`` stands in the
    example queries."""
    columns = columns_of(asked.columns)
    examples = [text.format(group=clause("group", group)) for text in EXAMPLES]
    values: dict[str, object] = {
        "asked": asked,
        "reader": reader,
        "columns": columns,
        "fewer": {
            name: asked.address(columns=",".join(one for one in columns if one != name))
            for name in columns
        },
        "ranges": [(text, title, asked.address(since=text, until=None)) for text, title in RANGES],
        "examples": [(text, ExploreAddress(text, asked.since).address()) for text in examples],
        "this_view": asked.address().partition("?")[2],
        "look": look,
        "line": None,
    }
    return values if look is None else {**values, **_found(asked, look, columns)}


def _found(asked: ExploreAddress, look: ExploreResult, columns: list[str]) -> dict[str, object]:
    counts, page, marks = look.counts, look.page, Highlights(asked.query)
    line: Timeline | None = timeline(
        counts.bars, lambda bar: asked.address(since=bar.start, until=bar.end)
    )
    return {
        "line": line,
        "step": step_words(counts.step_seconds),
        "span": _span_words(asked),
        "facets": [(facet, _choices(asked, facet)) for facet in counts.facets],
        "sort": sort_of(asked.sort),
        "sorts": {
            name: asked.sorted_by(name)
            for name in ("@timestamp", *columns)
            if name not in TEXT_FIELDS
        },
        "rows": [row_of(asked, hit, marks) for hit in page.hits],
        "older": asked.address(place=page.next_place) if page.next_place else None,
        "newest": asked.address() if asked.place else None,
        "wait": asked.address(patient="1", place=asked.place),
        "anytime": asked.address(since="", until=None),
        "ndjson": asked.address(f"{PATH}/export", **{"as": "ndjson"}),
        "csv": asked.address(f"{PATH}/export", **{"as": "csv"}),
        "tail": asked.address(f"{PATH}/tail"),
    }


def _span_words(asked: ExploreAddress) -> str:
    if asked.since and AGE.fullmatch(asked.since) and not asked.until:
        return f", of the last {asked.since}"
    begin = f" from {asked.since}" if asked.since else ""
    end = f" to {asked.until}" if asked.until else ""
    return f",{begin}{end}" if begin or end else ""


def _choices(asked: ExploreAddress, facet: Facet) -> list[FacetChoice]:
    choices = []
    for value, documents in facet.values:
        if value is not None and len(value) > VALUE_CHARACTERS:
            continue
        wanted = clause(facet.field, value)
        is_chosen = holds(asked.query, wanted)
        change = without if is_chosen else added
        choices.append(
            FacetChoice(
                value,
                documents,
                is_chosen,
                asked.address(q=change(asked.query, wanted)),
                asked.address(q=added(asked.query, clause(facet.field, value, is_negated=True))),
            )
        )
    return choices


def row_of(asked: ExploreAddress, hit: Hit, marks: Highlights) -> dict[str, object]:
    """Return a document as a row of the list; ``marks`` are the words that were searched."""
    body = body_of(hit)
    level = body.get("log_level")
    return {
        "id": hit.id,
        "time": hit.timestamp or "",
        "level": level if isinstance(level, str) and level.isalpha() and level.isascii() else "",
        "cells": [
            (name, marks.pieces(name, cut(cell(hit, body, name), CELL_CHARACTERS)))
            for name in columns_of(asked.columns)
        ],
        "open": asked.address(f"{PATH}/document", id=hit.id),
        "whole": whole_address(hit),
        "size": hit.size,
    }


def whole_address(hit: Hit) -> str | None:
    """Return where a document that is shown in part is had whole."""
    return f"{PATH}/document/whole?id={quote(hit.id)}" if hit.is_cut else None


def trace_address(hit: Hit) -> str | None:
    """Return the address of a document's trace; only a document with a key has one."""
    return f"{ROOT}/life?{urlencode({'id': hit.key})}" if hit.key else None


def field_values(asked: ExploreAddress, field: ShownField) -> dict[str, object]:
    """Return a field of a document's page, with what its links lead to."""
    name, value, text = field.name, field.value, text_of(field.value)
    is_one = (
        isinstance(value, str | int | float) and len(text) <= VALUE_CHARACTERS and '"' not in name
    )
    columns = columns_of(asked.columns)
    wanted = clause(name, text) if is_one else ""
    return {
        "name": name,
        "text": field.text,
        "repeats_message": field.repeats_message,
        "only": asked.address(q=added(asked.query, wanted)) if is_one else "",
        "not": asked.address(q=added(asked.query, f"not {wanted}")) if is_one else "",
        "count": "" if name in asked.facet_names else asked.counting(name),
        "column": "" if name in columns else asked.address(columns=",".join([*columns, name])),
    }

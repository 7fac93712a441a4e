"""The order of documents, as Elasticsearch wants it said. Pure."""

from __future__ import annotations

from typing import Any

from ptingest.errors import QueryInvalid
from ptingest.kql.fields import TEXT_FIELDS
from ptingest.model.explore import Sort
from ptingest.sinks.elasticsearch.read.mapping import Mappings, value_field

SortClauses = list[dict[str, Any]]
PAGE_TIES = ("_index", "_seq_no")
"""Decide between equal values on a page: total where an index has one shard."""


def sort_clauses(sort: Sort, mappings: Mappings, ties: tuple[str, ...] = PAGE_TIES) -> SortClauses:
    """Return the clauses for an order; documents without the field come last.

    Raises:
        QueryInvalid: the field's values have no order.
    """
    order = "asc" if sort.is_ascending else "desc"
    name = value_field(sort.field, mappings)
    if sort.field == "_id" or (name is None and sort.field in (*mappings, *TEXT_FIELDS)):
        raise QueryInvalid(
            query=sort.field,
            column=1,
            seen=f"sort by {sort.field!r}",
            expected="a field whose values can be sorted (a keyword, a number, a time), "
            "such as @timestamp, log.offset or service",
        )
    kind = "date" if sort.field == "@timestamp" else "keyword"
    first = {"order": order, "missing": "_last", "unmapped_type": kind}
    if sort.field == "_index":
        first = {"order": order}
    return [{name or sort.field: first}, *({tie: order} for tie in ties if tie != sort.field)]

"""A view in Elasticsearch's language, the search for one of its pages, and the documents in the
answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ptingest.errors import SinkUnavailable
from ptingest.model.explore import Hit, View
from ptingest.sinks.elasticsearch.read.hits import (
    FoundDocument,
    SearchAnswer,
    SortValues,
    hit_of,
)
from ptingest.sinks.elasticsearch.read.mapping import Mappings
from ptingest.sinks.elasticsearch.read.ordering import PAGE_TIES, sort_clauses
from ptingest.sinks.elasticsearch.read.query import Clause
from ptingest.sinks.elasticsearch.read.questions import Snapshot
from ptingest.sinks.read.excerpt import ROW_BYTES, ROW_VALUE_BYTES


class AskedView(NamedTuple):
    """A view in Elasticsearch's language, its times resolved."""

    view: View
    clause: Clause
    since: str | None
    until: str | None
    now: str
    mappings: Mappings


def page_body(
    asked: AskedView, after: SortValues | None, snapshot: Snapshot | None, size: int
) -> dict[str, Any]:
    """Return the search for ``size`` documents of a view after a place."""
    body: dict[str, Any] = {"size": size, "track_total_hits": False, "query": asked.clause}
    if snapshot is not None:
        body["pit"] = {"id": snapshot.id, "keep_alive": snapshot.keep_alive}
    ties = PAGE_TIES if snapshot is None else snapshot.ties
    body["sort"] = sort_clauses(asked.view.sort, asked.mappings, ties)
    if after is not None:
        body["search_after"] = after
    return body


def refuse_part(answer: SearchAnswer, *, sink: str = "elasticsearch") -> None:
    """Refuse an answer that is not whole, where nothing may be missing.

    Raises:
        SinkUnavailable: which says what is missing.
    """
    if not answer.is_whole:
        raise SinkUnavailable(sink=sink, cause=" ".join(answer.notes()).rstrip("."))


async def rows_of(
    found: Sequence[FoundDocument],
    whole_bytes: int = ROW_BYTES,
    value_bytes: int = ROW_VALUE_BYTES,
) -> list[Hit]:
    """Return documents for a page; large ones are cut, which takes time, in a thread."""

    def make() -> list[Hit]:
        return [hit_of(one, whole_bytes=whole_bytes, value_bytes=value_bytes) for one in found]

    if all(len(bytes(one.source)) <= whole_bytes for one in found):
        return make()
    return await asyncio.to_thread(make)

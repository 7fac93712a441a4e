"""Reads documents in a cluster for the console and the CLI, few questions at a time.

A view is a search for its page and one for its counts, sent together; an export is read in a
snapshot (a point in time), page by page. Each question has a time limit, of which the cluster
is told: then it answers with what it has, and the answer says so.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ptingest.errors import DocumentMissing, QueryInvalid, SinkUnavailable
from ptingest.kql.columns import time_text
from ptingest.kql.fields import TEXT_FIELDS
from ptingest.kql.parser import parse
from ptingest.kql.times import asked_moment
from ptingest.model.explore import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    Counts,
    DocumentContext,
    ExploreResult,
    FieldValue,
    Hit,
    Page,
    Sort,
    Tail,
    View,
)
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.read.aggregations import (
    EXTENT,
    count_aggregations,
    count_by_body,
    counted_values,
    counts_of,
    value_buckets,
)
from ptingest.sinks.elasticsearch.read.asked_view import (
    AskedView,
    page_body,
    refuse_part,
    rows_of,
)
from ptingest.sinks.elasticsearch.read.hits import (
    DocumentPlace,
    FoundDocument,
    SearchAnswer,
    SortValues,
    data_stream_of,
    file_place_of,
    hit_of,
    read_place,
    time_of,
    write_place,
)
from ptingest.sinks.elasticsearch.read.mapping import names_in, value_field
from ptingest.sinks.elasticsearch.read.ordering import sort_clauses
from ptingest.sinks.elasticsearch.read.query import Clause, all_of, bounds, compile_query
from ptingest.sinks.elasticsearch.read.questions import Questions, Snapshot, TooLarge
from ptingest.sinks.elasticsearch.read.tail_position import (
    AGGREGATION,
    INDICES_MOST,
    lasts_body,
    moved_on,
    read_position,
    stored_after,
    write_position,
)
from ptingest.sinks.read.excerpt import (
    PAGE_BYTES,
    PAGE_VALUE_BYTES,
)
from ptingest.sinks.read.turns import Turns
from ptingest.sinks.read.unknown_fields import named_fields, unknown_fields

AT_ONCE = 4
PART_BYTES = 1 << 20
COUNTED_BACK = 10_000
"""Documents that are counted back in one question."""
VALUES_MOST = 100_000
"""Values that a count by field returns; more are refused."""
PREFIX_CHARACTERS = 200
"""Longer values are not offered as completions."""
NOT_THERE = "there is no such document any more: retention took it, or another index has it"


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How many questions may wait, how long each may take, and how much an export reads at once."""

    waiting: int = 16
    seconds: float = 2.0
    patient_seconds: float = 30.0
    """The same, when the user chose to wait, and for exports and the CLI."""
    export_rows: int = 500


USUAL_LIMITS = ReadLimits()


class ElasticsearchReader:
    """Implements ``DocumentReader`` for the data streams that ptingest writes to."""

    tail_seconds = 2.0
    hints: Sequence[str] = (
        "Words are those of the cluster's index: apps.parcels.views is one word, which "
        "apps.parcels.* finds and parcels does not.",
        "A document is found after the cluster's next refresh: 5 s at most with the shipped "
        "template, in the live tail too.",
        "Values longer than 1,024 characters are not searched or counted, but for the words of "
        "message and log_message; event.original is not searched.",
        "How many further values a field has is an estimate; the time when a document was stored "
        "is not kept.",
    )

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        streams: Callable[[], StreamNames],
        limits: ReadLimits = USUAL_LIMITS,
    ) -> None:
        """``streams`` gives the data streams of the profile in force."""
        self._limits = limits
        self._questions = Questions(settings, streams)
        self.name: str = self._questions.sink
        self.title = self._questions.dialect.title
        self._turns = Turns(self.name, at_once=AT_ONCE, waiting=limits.waiting)

    async def look(
        self, view: View, *, place: str | None, limit: int, is_patient: bool
    ) -> ExploreResult:
        """Return a page and the counts of its view."""
        begin = time.perf_counter()
        seconds = self._limits.patient_seconds if is_patient else self._limits.seconds
        async with self._turns.one():
            asked = await self._asked(view, datetime.now(UTC))
            after = read_place(place) if place else None
            (page, page_notes), (counts, count_notes, is_empty) = await asyncio.gather(
                self._page(asked, after, limit, seconds), self._counts(asked, seconds)
            )
            if is_empty:
                await self._questions.refuse_without_read()
            named = named_fields(view)
            known = names_in(asked.mappings)
        return ExploreResult(
            page,
            counts,
            time.perf_counter() - begin,
            is_empty,
            unknown_fields(named, known) if known else (),
            list(dict.fromkeys((*page_notes, *count_notes))),
        )

    async def _asked(self, view: View, now: datetime) -> AskedView:
        """Return the view in Elasticsearch's language, its times resolved."""
        mappings = await self._questions.mappings()
        query = parse(view.query)
        since = asked_moment(view.since, now, name="since")
        until = asked_moment(view.until, now, name="until", is_end=True)
        meant = compile_query(query, text=view.query, now=now, mappings=mappings)
        clause = all_of([meant, *bounds(since, until, view.data_stream)])
        return AskedView(view, clause, since, until, time_text(now), mappings)

    async def _page(
        self, asked: AskedView, after: SortValues | None, limit: int, seconds: float
    ) -> tuple[Page, list[str]]:
        size, answer = await self._fitting(
            partial(page_body, asked, after, None), limit + 1, seconds=seconds
        )
        found = answer.hits.hits[: max(1, size - 1)]
        hits = await rows_of(found)
        # One document alone may be as large as an answer: then the next is looked for in vain.
        has_more = len(answer.hits.hits) > len(found) or size == 1
        place = write_place(found[-1].sort) if has_more and found else None
        return Page(hits, place, None), answer.notes()

    async def _fitting(
        self, body: Callable[[int], dict[str, Any]], size: int, *, seconds: float
    ) -> tuple[int, SearchAnswer]:
        """Ask for ``size`` documents, and for fewer where they are too large for one answer."""
        while True:
            try:
                return size, await self._questions.search(body(size), seconds=seconds)
            except TooLarge:
                if size <= 1:
                    raise
                size = max(1, size // 8)

    async def _counts(self, asked: AskedView, seconds: float) -> tuple[Counts, list[str], bool]:
        """Return the counts, what they lack, and whether there is no document at all."""
        facets = asked.view.facets
        extent = await self._questions.search(
            {"size": 0, "track_total_hits": 1, "aggs": EXTENT}, seconds=seconds
        )
        ends = [time_of(extent.aggregations.get(name, {}).get("value")) for name in EXTENT]
        first = asked.since or ends[0] or asked.now
        last = max(first, asked.until or max(ends[1] or asked.now, first))
        aggregations = count_aggregations(facets, asked.mappings, first=first, last=last)
        body = {"size": 0, "track_total_hits": True, "query": asked.clause, "aggs": aggregations}
        answer = await self._questions.search(body, seconds=seconds)
        is_empty = not extent.hits.total.value and extent.is_whole
        return counts_of(answer, facets, first=first, last=last), answer.notes(), is_empty

    async def newest_time(self) -> str | None:
        """Return the time of the newest document."""
        async with self._turns.one():
            answer = await self._questions.search(
                {"size": 0, "track_total_hits": False, "aggs": {"last": EXTENT["last"]}},
                seconds=self._limits.seconds,
            )
        return time_of(answer.aggregations.get("last", {}).get("value"))

    async def document(
        self, document_id: str, *, around: int
    ) -> tuple[Hit, DocumentContext] | None:
        """Return one document with its context, None when it is not there."""
        place = DocumentPlace.read(document_id)
        if place is None:
            return None
        async with self._turns.one():
            found = await self._find(place)
            if found is None:
                return None
            (hit,) = await rows_of([found], PAGE_BYTES, PAGE_VALUE_BYTES)
            return hit, await self._context(found, hit, around)

    async def _find(self, place: DocumentPlace) -> FoundDocument | None:
        # By a search in our streams, so that no other index can be read by its name.
        wanted: list[Clause] = [
            {"term": {"_index": place.index}},
            {"ids": {"values": [place.key]}},
        ]
        body = {"size": 1, "query": all_of(wanted), "sort": sort_clauses(NEWEST_FIRST, {})}
        answer = await self._questions.search(body, seconds=self._limits.seconds)
        return next(iter(answer.hits.hits), None)

    async def _context(self, found: FoundDocument, hit: Hit, around: int) -> DocumentContext:
        place = file_place_of(bytes(found.source).decode("utf-8", "replace"))
        stream = {"term": {"_index": hit.data_stream}}

        async def side(*, is_after: bool) -> list[Hit]:
            body: dict[str, Any]
            if place is not None:
                edge = {"gt" if is_after else "lt": place.offset}
                names = [{"term": {name: value}} for name, value in place.names.items()]
                wanted: list[Clause] = [stream, *names, {"range": {"log.offset": edge}}]
                sort = sort_clauses(Sort("log.offset", is_after), {})
                body = {"query": all_of(wanted), "sort": sort}
            else:
                sort = sort_clauses(Sort(is_ascending=is_after), {})
                body = {"query": stream, "sort": sort, "search_after": found.sort}
            body |= {"size": around, "track_total_hits": False}
            answer = await self._questions.search(body, seconds=self._limits.seconds)
            return await rows_of(answer.hits.hits)

        before, after = await asyncio.gather(side(is_after=False), side(is_after=True))
        return DocumentContext(before[::-1], after, "time" if place is None else "file")

    async def whole(self, document_id: str) -> AsyncIterator[bytes]:
        """Yield one document as it is stored, in parts.

        Raises:
            DocumentMissing: it is not there.
        """
        place = DocumentPlace.read(document_id)
        found = None
        if place is not None:
            async with self._turns.one():
                found = await self._find(place)
        if found is None:
            raise DocumentMissing(sink=self.name, cause=NOT_THERE)
        body = bytes(found.source)
        for begin in range(0, len(body), PART_BYTES):
            yield body[begin : begin + PART_BYTES]

    async def fields(self) -> list[str]:
        """Return the names of all fields that are mapped."""
        async with self._turns.one():
            return ["_id", "_index", *names_in(await self._questions.mappings())]

    async def values(self, field: str, *, beginning: str, limit: int) -> list[FieldValue]:
        """Return values of a field that begin with ``beginning``, most frequent first."""
        async with self._turns.one():
            name = value_field(field, await self._questions.mappings())
            if name is None or len(beginning) > PREFIX_CHARACTERS:
                return []
            terms: dict[str, Any] = {"field": name, "size": limit if not beginning else 10 * limit}
            body: dict[str, Any] = {
                "size": 0,
                "track_total_hits": False,
                "aggs": {"values": {"terms": terms}},
            }
            mapping = (await self._questions.mappings())[name]
            if beginning and mapping.types == {"keyword"}:
                prefix = {"value": beginning, "case_insensitive": True}
                body["query"] = {"prefix": {name: prefix}}
            answer = await self._questions.search(body, seconds=self._limits.seconds)
        wanted = beginning.casefold()
        return [
            FieldValue(text, documents)
            for text, documents in value_buckets(answer, "values")
            if text.casefold().startswith(wanted) and len(text) <= PREFIX_CHARACTERS
        ][:limit]

    async def position(self) -> str:
        """Return where a live tail begins.

        Raises:
            SinkUnavailable: there are more indices than a tail can follow.
        """
        async with self._turns.one():
            indices = await self._questions.indices()
            if len(indices) > INDICES_MOST:
                cause = (
                    f"a live tail follows {INDICES_MOST} backing indices at most, and there are "
                    f"{len(indices)}; search with a short time range instead"
                )
                raise SinkUnavailable(sink=self.name, cause=cause)
            if not indices:
                return write_position({})
            answers = await self._questions.searches(
                lasts_body(indices), seconds=self._limits.seconds
            )
        lasts = {
            hit.index: number
            for answer in answers
            for hit in answer.hits.hits
            if isinstance(number := hit.sort[0], int)
        }
        return write_position({**dict.fromkeys(indices, -1), **lasts})

    async def tail(self, view: View, *, after: str, limit: int) -> Tail:
        """Return the documents stored after a position."""
        position = read_position(after)
        async with self._turns.one():
            asked = await self._asked(replace(view, since=None, until=None), datetime.now(UTC))
            body = {
                "size": limit + 1,
                "track_total_hits": False,
                "query": stored_after(position),
                "post_filter": asked.clause,
                "sort": sort_clauses(NEWEST_FIRST, asked.mappings),
                "aggs": AGGREGATION,
            }
            answer = await self._questions.search(body, seconds=self._limits.seconds)
            hits = await rows_of(answer.hits.hits[:limit])
        is_cut = len(answer.hits.hits) > limit or not answer.is_whole
        return Tail(hits[::-1], write_position(moved_on(position, answer)), is_cut)

    async def export(self, view: View) -> AsyncIterator[list[Hit]]:
        """Yield all documents that match, in order; large ones cut."""
        async for found in self._read_all(view):
            yield await rows_of(found)

    async def search(self, view: View, *, limit: int | None = None) -> AsyncIterator[list[Hit]]:
        """Yield whole documents, oldest first; with ``limit`` the newest so many of them."""
        async for found in self._read_all(replace(view, sort=OLDEST_FIRST), newest=limit):
            yield [hit_of(one) for one in found]

    async def _read_all(
        self, view: View, *, newest: int | None = None
    ) -> AsyncIterator[list[FoundDocument]]:
        """Yield what a view finds, page by page, in one snapshot; with ``newest`` only so many,
        for a view that begins with the oldest.

        Raises:
            SinkUnavailable: also where an answer is not whole: a file must not lack documents.
        """
        seconds = self._limits.patient_seconds
        asked = await self._asked(view, datetime.now(UTC))
        async with self._questions.snapshot(seconds=seconds) as snapshot:
            after = None if newest is None else await self._before_newest(asked, newest, snapshot)
            size = self._limits.export_rows
            while True:
                size, answer = await self._fitting(
                    partial(page_body, asked, after, snapshot), size, seconds=seconds
                )
                refuse_part(answer, sink=self.name)
                found = answer.hits.hits
                if found:
                    yield found
                if len(found) < size:
                    return
                after = found[-1].sort
                snapshot.id = answer.pit_id or snapshot.id

    async def _before_newest(
        self, asked: AskedView, count: int, snapshot: Snapshot
    ) -> SortValues | None:
        """Return the place before the newest ``count`` documents, None where there are no more:
        they are counted back without being read."""
        after: SortValues | None = None
        newest_first = asked._replace(view=replace(asked.view, sort=NEWEST_FIRST))
        while True:
            size = min(count + 1, COUNTED_BACK)
            body = page_body(newest_first, after, snapshot, size) | {"_source": False}
            answer = await self._whole_answer(body)
            found = answer.hits.hits
            if len(found) > count:
                return found[count].sort
            if len(found) < size:
                return None
            after = found[-1].sort
            count -= len(found)

    async def _whole_answer(self, body: dict[str, Any]) -> SearchAnswer:
        answer = await self._questions.search(body, seconds=self._limits.patient_seconds)
        refuse_part(answer, sink=self.name)
        return answer

    async def count(self, view: View) -> int:
        """Return how many documents match."""
        asked = await self._asked(view, datetime.now(UTC))
        answer = await self._whole_answer(
            {"size": 0, "track_total_hits": True, "query": asked.clause}
        )
        return answer.hits.total.value

    async def count_by(self, view: View, field: str) -> list[tuple[str | None, int]]:
        """Return each value of a field with its number of documents, most frequent first."""
        asked = await self._asked(view, datetime.now(UTC))
        name = field if field == "_index" else value_field(field, asked.mappings)
        if name is None and field not in (*asked.mappings, "_id", *TEXT_FIELDS):
            number = await self.count(view)
            return [(None, number)] if number else []
        if name is None:
            raise QueryInvalid(
                query=field,
                column=1,
                seen=f"the values of {field!r}",
                expected="a field whose values can be counted, such as service",
            )
        counted: Counter[str | None] = Counter()
        after: dict[str, Any] | None = None
        while True:
            rows, after = counted_values(
                await self._whole_answer(count_by_body(asked.clause, name, after))
            )
            for value, documents in rows:
                is_index = field == "_index" and value is not None
                counted[data_stream_of(str(value)) if is_index else value] += documents
            if after is None:
                return sorted(counted.items(), key=lambda one: (-one[1], one[0] or ""))
            if len(counted) > VALUES_MOST:
                cause = f"{field} has more than {VALUES_MOST:,} values, the limit of a count"
                raise SinkUnavailable(sink=self.name, cause=cause)

    async def close(self) -> None:
        """Close the connections."""
        await self._questions.client.close()

"""Reads of the store for the console: documents newest first, counts of a view, one document
with its context, documents stored since a request.

Every answer is read from one snapshot, bounded in rows, and bounded in time where the number of
rows is not: ``is_time_up`` is called between two slices of the store and within them, and the
answer says what was left out. A connection that is interrupted from another thread raises
``SinkUnavailable``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ptingest.errors import SinkUnavailable
from ptingest.kql.columns import time_text
from ptingest.kql.deadline import TimeIsUp, deadline
from ptingest.model.explore import NEWEST_FIRST, Counts, Facet, Hit, Page, Tail, View
from ptingest.sinks.read.excerpt import PAGE_BYTES, PAGE_VALUE_BYTES
from ptingest.sinks.store.read.bodies import read_hits, read_part
from ptingest.sinks.store.read.facets import LABELS, counts, facet_of
from ptingest.sinks.store.read.field_values import check_facets, count_values
from ptingest.sinks.store.read.pagination import PageCursor, Slice, by_time, slices
from ptingest.sinks.store.read.planner import candidates, first_rows, most_rows, rare_ids, weight
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds, resolved, snapshot
from ptingest.sinks.store.read.sorting import (
    SortedPlace,
    check_sort,
    sorted_places,
)
from ptingest.sinks.store.read.sql import Condition
from ptingest.sinks.store.schema import open_reader

TAIL_MOST = 20_000
"""Documents read for one step of a live tail; further ones are skipped, and counted."""
FACET_SAMPLE = 2_000
"""Documents in which values of fields other than labels are counted: their bodies are read."""
TOO_MUCH = (
    "time was up before one document was read; use fewer words and values at once, or rarer ones"
)
UNSORTED = (
    "time was up before the documents were sorted by {}, for which all that match are read; choose "
    "a shorter time range or a narrower query, or sort by @timestamp"
)


Place = TypeVar("Place", PageCursor, SortedPlace)


class ExploreReader:
    """A store opened for reading; use it in a ``with``, in one thread at a time.

    Raises:
        SinkUnavailable: there is no store at ``path``, or it became unreadable.
    """

    def __init__(
        self, path: Path, *, now: datetime, is_time_up: Callable[[], bool] = lambda: False
    ) -> None:
        self._path, self._now, self._is_time_up = path, now, is_time_up
        self.connection = open_reader(path, any_thread=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()
        if isinstance(error, sqlite3.Error):
            raise SinkUnavailable(sink="store", cause=f"{self._path}: {error}") from error

    def interrupt(self) -> None:
        """End the statement that runs in another thread, if there is one."""
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile
            self.connection.interrupt()

    def question(self, view: View) -> StoreQuery:
        """Return the view with its times resolved.

        Raises:
            QueryInvalid: a time cannot be read.
        """
        return resolved(view, self._now)

    def page(self, view: View, *, place: str | None = None, limit: int) -> Page:
        """Return documents in the order of the view, from ``place`` on.

        Documents that are stored meanwhile neither shift nor repeat documents of the next page.

        Raises:
            QueryInvalid: the query, a time, the order or the place cannot be read.
        """
        if view.sort != NEWEST_FIRST:
            return self._sorted_page(view, place, limit)
        after = PageCursor.read(place) if place else None
        question = self.question(view)
        with self._snapshot(question) as where:
            places, stopped_at = self._places(where, question, after, limit + 1)
            found = places[:limit]
            hits = self._hits([one.id for one in found])
        if (last := self._last_in_time(found, hits)) is not None:
            return Page(hits, str(last), last.timestamp)
        if stopped_at is not None:
            return Page(hits, str(stopped_at), stopped_at.timestamp)
        return Page(hits, str(found[-1]) if len(places) > limit else None, None)

    def _sorted_page(self, view: View, place: str | None, limit: int) -> Page:
        check_sort(view.sort)
        after = SortedPlace.read(place) if place else None
        question = self.question(view)
        with self._snapshot(question) as query:
            where = in_bounds(query, question)
            try:
                with deadline(self.connection, self._is_time_up):
                    places = sorted_places(
                        self.connection, query, where, sort=view.sort, after=after, limit=limit + 1
                    )
            except TimeIsUp as error:
                cause = UNSORTED.format(view.sort.field)
                raise SinkUnavailable(sink="store", cause=cause) from error
            found = places[:limit]
            hits = self._hits([one.id for one in found])
        if (last := self._last_in_time(found, hits)) is not None:
            return Page(hits, str(last), None)
        return Page(hits, str(found[-1]) if len(places) > limit else None, None)

    def _last_in_time(self, found: Sequence[Place], hits: Sequence[Hit]) -> Place | None:
        """Return the place of the last hit when large documents took the time of the others."""
        if hits and hits[-1].is_cut and hits[-1].id != str(found[-1].id) and self._is_time_up():
            return next(one for one in found if str(one.id) == hits[-1].id)
        return None

    def _places(
        self, where: Condition, question: StoreQuery, after: PageCursor | None, limit: int
    ) -> tuple[list[PageCursor], PageCursor | None]:
        """Return up to ``limit`` places, and where the search stopped when time was up."""
        query, where = where, in_bounds(where, question)
        found: list[PageCursor] = []
        looked_to: PageCursor | None = None
        try:
            with deadline(self.connection, self._is_time_up):
                if (few := candidates(self.connection, query)) is not None:
                    return self._places_of(few, "TRUE", where, after, limit), None
                for number, part in enumerate(self._slices(query, question, after)):
                    if number == 2 and (rare := rare_ids(self.connection, query)) is not None:
                        source = "documents NOT INDEXED"
                        return self._places_of(source, rare, where, after, limit), None
                    found += self._places_in(part, where, limit - len(found))
                    if len(found) >= limit:
                        break
                    if part.end is not None and self._is_time_up():
                        return found, part.end
                    looked_to = part.end
        except TimeIsUp:
            if looked_to is None:
                raise
            return found, looked_to
        return found, None

    def _places_in(self, part: Slice, where: Condition, limit: int) -> list[PageCursor]:
        rows = self.connection.execute(
            f"SELECT timestamp, id FROM {by_time(self.connection)} "
            f"WHERE {part.sql} AND {where.sql} ORDER BY timestamp DESC, id DESC LIMIT ?",
            [*part.values, *where.values, limit],
        )
        return list(map(PageCursor._make, rows))

    @contextmanager
    def _snapshot(self, question: StoreQuery, after_id: int = 0) -> Iterator[Condition]:
        """Hold a snapshot; raise when time is up before the first result."""
        try:
            with snapshot(
                self.connection,
                question,
                now=self._now,
                after_id=after_id,
                is_time_up=self._is_time_up,
            ) as where:
                yield where
        except TimeIsUp as error:
            raise SinkUnavailable(sink="store", cause=TOO_MUCH) from error

    def _slices(
        self, query: Condition, question: StoreQuery, after: PageCursor | None
    ) -> Iterator[Slice]:
        return slices(
            self.connection,
            since=question.since,
            until=question.until,
            after=after,
            first_rows=first_rows(query),
            most_rows=most_rows(query),
        )

    def _places_of(
        self, source: str, also: str, where: Condition, after: PageCursor | None, limit: int
    ) -> list[PageCursor]:
        """Return places among few documents."""
        behind, values = "TRUE", list[str | int]()
        if after is not None and after.timestamp is None:
            behind, values = "timestamp IS NULL AND documents.id < ?", [after.id]
        elif after is not None:
            behind = "((timestamp, documents.id) < (?, ?) OR timestamp IS NULL)"
            values = [str(after.timestamp), after.id]
        rows = self.connection.execute(
            f"SELECT timestamp, documents.id FROM {source} "
            f"WHERE {also} AND {behind} AND {where.sql} "
            "ORDER BY timestamp DESC, documents.id DESC LIMIT ?",
            [*values, *where.values, limit],
        )
        return list(map(PageCursor._make, rows))

    def _hits(self, ids: list[int]) -> list[Hit]:
        """Return documents in the order of ``ids``; large ones cut, fewer when time is up."""
        return read_hits(self.connection, ids, is_time_up=self._is_time_up)

    def counts(self, view: View) -> Counts:
        """Return how many documents match, by level over time and by the values of labels.

        Raises:
            QueryInvalid: the query or a time cannot be read.
        """
        question = self.question(view)
        with self._snapshot(question) as where:
            return counts(
                self.connection,
                where,
                question,
                now=time_text(self._now),
                is_time_up=self._is_time_up,
            )

    def facets(self, view: View, counted: Counts) -> list[Facet]:
        """Return the facets of the view: of labels those in ``counted``, of other fields the
        values in the newest documents.

        Raises:
            QueryInvalid: a facet's field has no values that can be counted.
        """
        check_facets(view.facets)
        labels = {facet.field: facet for facet in counted.facets}
        others = [field for field in view.facets if field not in LABELS]
        sampled: dict[str, Facet] = {}
        if others:
            ids = self._newest_ids(view)
            values, among = count_values(self.connection, ids, others, is_time_up=self._is_time_up)
            is_all = counted.is_whole and among >= counted.documents
            sampled = {
                field: facet_of(field, values[field], None if is_all else among) for field in others
            }
        return [labels.get(field) or sampled[field] for field in view.facets]

    def _newest_ids(self, view: View) -> list[int]:
        question = self.question(view)
        try:
            with self._snapshot(question) as where:
                places, _ = self._places(where, question, None, FACET_SAMPLE)
        except SinkUnavailable:  # time is up
            return []
        return [one.id for one in places]

    def newest_time(self) -> str | None:
        """Return the time of the newest document, None where none has one."""
        (newest,) = self.connection.execute("SELECT max(timestamp) FROM documents").fetchone()
        return None if newest is None else str(newest)

    def document(self, number: int) -> Hit | None:
        """Return the document with this id in the store, None when it was deleted."""
        hits = read_hits(
            self.connection, [number], whole_bytes=PAGE_BYTES, value_bytes=PAGE_VALUE_BYTES
        )
        return hits[0] if hits else None

    def part(self, number: int, begin: int) -> bytes | None:
        """Return a part of a body from ``begin`` on, empty at its end; None when it was
        deleted."""
        return read_part(self.connection, number, begin)

    def pages(self, view: View, *, limit: int) -> Iterator[list[Hit]]:
        """Yield all documents that match, newest first, in pages.

        No snapshot is held between two pages: retention may delete documents that were not yet
        returned, and the server's log can start anew.
        """
        place: str | None = None
        while True:
            page = self.page(view, place=place, limit=limit)
            yield page.hits
            if page.next_place is None:
                return
            place = page.next_place

    def last_id(self) -> int:
        """Return the id of the document stored last, 0 where there is none."""
        return int(self.connection.execute("SELECT max(id) FROM documents").fetchone()[0] or 0)

    def tail(self, view: View, *, after: int, limit: int) -> Tail:
        """Return the documents stored after the document ``after``, the newest ``limit`` of
        them.

        The view's times are not applied: a document that is stored now is new, whatever its
        time is.

        Raises:
            QueryInvalid: the query cannot be read.
        """
        last = self.last_id()
        begin = max(after, last - TAIL_MOST)
        with self._snapshot(StoreQuery(view.query), begin) as where:
            begin = max(begin, last - TAIL_MOST // weight(where))
            rows = self.connection.execute(
                "SELECT id FROM documents NOT INDEXED "
                f"WHERE id > ? AND id <= ? AND {where.sql} ORDER BY id DESC LIMIT ?",
                [begin, last, *where.values, limit + 1],
            ).fetchall()
            ids = [one for (one,) in rows]
            hits = self._hits(ids[:limit])
        return Tail(hits[::-1], str(last), len(ids) > len(hits) or begin > after)

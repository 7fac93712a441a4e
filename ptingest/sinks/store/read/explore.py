"""Reads of the store for the console: documents newest first, counts of a view, one document
with its context, documents stored since a request.

Every answer is read from one snapshot, bounded in rows, and bounded in time where the number of
rows is not: ``is_time_up`` is called between two slices of the store and within them, and the
answer says what was left out. A connection that is interrupted from another thread raises
``SinkUnavailable``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.kql import times
from ptingest.kql.columns import time_text
from ptingest.kql.deadline import TimeIsUp, deadline
from ptingest.model.explore import Counts, Hit, Page, Tail, View
from ptingest.sinks.store.read.bodies import (
    PAGE_BYTES,
    PAGE_VALUE_BYTES,
    read_hits,
    read_part,
)
from ptingest.sinks.store.read.facets import counts
from ptingest.sinks.store.read.pagination import PageCursor, Slice, by_time, slices
from ptingest.sinks.store.read.planner import candidates, first_rows, most_rows, rare_ids, weight
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds, snapshot
from ptingest.sinks.store.read.sql import Condition
from ptingest.sinks.store.schema import open_reader

TAIL_MOST = 20_000
"""Documents read for one step of a live tail; further ones are skipped, and counted."""
TOO_MUCH = (
    "time was up before one document was read; use fewer words and values at once, or rarer ones"
)


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
        return StoreQuery(
            view.query,
            self._time(view.since, "since"),
            self._time(view.until, "until", is_end=True),
        )

    def _time(self, text: str | None, name: str, *, is_end: bool = False) -> str | None:
        if text is None or not text.strip():
            return None
        found = times.moment(text, self._now, is_end=is_end)
        if found is None:
            raise QueryInvalid(
                query=text,
                column=1,
                seen=f"{name} {text!r}",
                expected="an age as 15m, 1h or 7d, or a time as 2025-01-02 or 2025-01-02T03:04:05Z",
            )
        return found

    def page(self, view: View, *, place: str | None = None, limit: int) -> Page:
        """Return documents newest first, from ``place`` on.

        Documents that are stored meanwhile neither shift nor repeat documents of the next page.

        Raises:
            QueryInvalid: the query, a time or the place cannot be read.
        """
        after = PageCursor.read(place) if place else None
        question = self.question(view)
        with self._snapshot(question) as where:
            places, stopped_at = self._places(where, question, after, limit + 1)
            found = places[:limit]
            hits = self._hits([one.id for one in found])
        if hits and hits[-1].is_cut and hits[-1].id != found[-1].id and self._is_time_up():
            # Large documents took the time of the others.
            last = next(one for one in found if one.id == hits[-1].id)
            return Page(hits, str(last), last.timestamp)
        if stopped_at is not None:
            return Page(hits, str(stopped_at), stopped_at.timestamp)
        return Page(hits, str(found[-1]) if len(places) > limit else None, None)

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
        return Tail(hits[::-1], last, len(ids) > len(hits) or begin > after)

"""Reads the embedded store for the console: in threads, few at a time, each within a time limit.

The store is opened read-only and by its path, so that any process may write it. SQLite runs
without Python's lock, so that neither the event loop nor the writer waits for a reader. Few
queries run at the same time, few more wait, and a query whose caller has gone is interrupted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from ptingest.errors import SinkUnavailable
from ptingest.model.explore import DocumentContext, ExploreResult, FieldValue, Hit, Page, Tail, View
from ptingest.sinks.store.read import completion
from ptingest.sinks.store.read.context import context_of
from ptingest.sinks.store.read.explore import ExploreReader

T = TypeVar("T")

AT_ONCE = 3
INTERRUPT_SECONDS = 0.05
"""An interrupt between two statements is lost, so it is repeated."""
FIELDS_SECONDS = 30.0
"""How long the names of fields are cached."""


@dataclass(frozen=True, slots=True)
class ExploreLimits:
    """How many queries may wait, how long each may take, and how much an export reads at once."""

    waiting: int = 16
    seconds: float = 1.0
    """Time limit of a page's search, and of its counts; then the answer says how far it came."""
    patient_seconds: float = 30.0
    """The same, when the user chose to wait."""
    end_seconds: float = 10.0
    """A query that exceeds its own limit by this is interrupted."""
    export_rows: int = 500


USUAL_LIMITS = ExploreLimits()


class StoreExplorer:
    """Implements `ptingest.api.console.explore.Explorer` on the store at ``path``."""

    def __init__(self, path: Path, limits: ExploreLimits = USUAL_LIMITS) -> None:
        self._path, self._limits = path, limits
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="explore")
        self._fields: list[str] = []
        self._fields_at = float("-inf")

    async def look(
        self, view: View, *, place: str | None, limit: int, is_patient: bool
    ) -> ExploreResult:
        """Return a page and the counts of its view."""
        limits = self._limits
        seconds = limits.patient_seconds if is_patient else limits.seconds

        def look(deadline: _Deadline, reader: ExploreReader) -> ExploreResult:
            begin = time.perf_counter()
            deadline.set(seconds)
            page = reader.page(view, place=place, limit=limit)
            deadline.set(seconds)
            counts = reader.counts(view)
            return ExploreResult(page, counts, time.perf_counter() - begin, reader.last_id() == 0)

        return await self._ask(look, seconds=2 * seconds)

    async def document(self, number: int, *, around: int) -> tuple[Hit, DocumentContext] | None:
        """Return one document with its context, None when it was deleted."""

        def document(
            deadline: _Deadline, reader: ExploreReader
        ) -> tuple[Hit, DocumentContext] | None:
            deadline.set(self._limits.seconds)
            hit = reader.document(number)
            if hit is None:
                return None
            return hit, context_of(reader.connection, hit, count=around, is_time_up=deadline.is_up)

        return await self._ask(document)

    async def whole(self, number: int) -> AsyncIterator[bytes]:
        """Yield one document as it is stored, in parts; a thread is held for a part at a time.

        Raises:
            SinkUnavailable: it was deleted, before or during the read.
        """
        begin = 0
        while True:
            part = await self._ask(partial(_part, number, begin))
            if part is None:
                raise SinkUnavailable(
                    sink="store", cause="there is no such document any more: retention took it"
                )
            if not part:
                return
            yield part
            begin += len(part)

    async def fields(self) -> list[str]:
        """Return the names of fields that documents stored lately have."""
        if time.monotonic() - self._fields_at > FIELDS_SECONDS:
            self._fields = await self._ask(lambda _, reader: completion.fields(reader.connection))
            self._fields_at = time.monotonic()
        return self._fields

    async def values(self, field: str, *, beginning: str, limit: int) -> list[FieldValue]:
        """Return values of a field that begin with ``beginning``, most frequent first."""
        return await self._ask(
            lambda _, reader: completion.values(
                reader.connection, field, beginning=beginning, limit=limit
            )
        )

    async def last_id(self) -> int:
        """Return the id of the document stored last."""
        return await self._ask(lambda _, reader: reader.last_id())

    async def tail(self, view: View, *, after: int, limit: int) -> Tail:
        """Return the documents stored after a document."""

        def tail(deadline: _Deadline, reader: ExploreReader) -> Tail:
            deadline.set(self._limits.seconds)
            return reader.tail(view, after=after, limit=limit)

        return await self._ask(tail)

    async def export(self, view: View) -> AsyncIterator[list[Hit]]:
        """Yield all documents that match, newest first; a thread is held for a page at a time.

        The view's times are resolved once, so that `1h` does not move while it is read.
        """
        now = datetime.now(UTC)
        place: str | None = None
        while True:
            page = await self._ask(partial(_page, view, place, self._limits), now=now)
            yield page.hits
            if page.next_place is None:
                return
            place = page.next_place

    async def _ask(
        self,
        question: Callable[[_Deadline, ExploreReader], T],
        *,
        seconds: float | None = None,
        now: datetime | None = None,
    ) -> T:
        """Run a query in a thread when its turn comes, and interrupt it at its limit."""
        limits = self._limits
        if self._waiting >= limits.waiting:
            raise SinkUnavailable(
                sink="store",
                cause=f"{limits.waiting} questions wait already, the limit; ask again soon",
            )
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        deadline = _Deadline()

        def answer() -> T:
            with ExploreReader(
                self._path, now=now or datetime.now(UTC), is_time_up=deadline.is_up
            ) as reader:
                deadline.reader = reader
                return question(deadline, reader)

        work = asyncio.get_running_loop().run_in_executor(self._threads, answer)
        try:
            given = limits.seconds if seconds is None else seconds
            done, _ = await asyncio.wait({work}, timeout=given + limits.end_seconds)
            if not done:
                await _stop(deadline, work)
        except asyncio.CancelledError:
            await _stop(deadline, work)
            raise
        finally:
            self._turns.release()
        return work.result()


def _part(number: int, begin: int, _: _Deadline, reader: ExploreReader) -> bytes | None:
    return reader.part(number, begin)


def _page(
    view: View, place: str | None, limits: ExploreLimits, deadline: _Deadline, reader: ExploreReader
) -> Page:
    deadline.set(limits.seconds)
    return reader.page(view, place=place, limit=limits.export_rows)


class _Deadline:
    """The deadline of a query; it may be set again for a second part."""

    def __init__(self) -> None:
        self.reader: ExploreReader | None = None
        self._end = float("inf")
        self.is_stopped = False

    def set(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_up(self) -> bool:
        return self.is_stopped or time.monotonic() >= self._end


async def _stop(deadline: _Deadline, work: asyncio.Future[T]) -> None:
    """Interrupt a query until its thread is free; its result is discarded."""
    deadline.is_stopped = True
    while not work.done():
        if deadline.reader is not None:
            deadline.reader.interrupt()
        await asyncio.wait({work}, timeout=INTERRUPT_SECONDS)

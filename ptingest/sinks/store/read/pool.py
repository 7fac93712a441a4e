"""Reads the embedded store for the console and the CLI: in threads, few at a time.

The store is opened read-only and by its path, so that any process may write it. SQLite runs
without Python's lock, so that neither the event loop nor the writer waits for a reader. Each
question of the console has a time limit; few run at the same time, few more wait, and a question
whose caller has gone is interrupted. Questions of the CLI read as long as they need.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from ptingest.errors import DocumentMissing
from ptingest.model.explore import DocumentContext, ExploreResult, FieldValue, Hit, Page, Tail, View
from ptingest.sinks.read.turns import Turns
from ptingest.sinks.read.unknown_fields import named_fields, unknown_fields
from ptingest.sinks.store.read import completion
from ptingest.sinks.store.read.context import context_of
from ptingest.sinks.store.read.explore import ExploreReader
from ptingest.sinks.store.read.search import StoreReader

T = TypeVar("T")

AT_ONCE = 3
INTERRUPT_SECONDS = 0.05
"""An interrupt between two statements is lost, so it is repeated."""
FIELDS_SECONDS = 30.0
"""How long the names of fields are cached."""
ROWS_A_LIST = 256
NO_DOCUMENT = "there is no such document any more: retention took it"


@dataclass(frozen=True, slots=True)
class ExploreLimits:
    """How many queries may wait, how long each may take, and how much an export reads at once."""

    waiting: int = 16
    seconds: float = 1.0
    """Time limit of a page's search, of its counts and of its facets, each; then the answer says
    how far it came."""
    patient_seconds: float = 30.0
    """The same, when the user chose to wait."""
    end_seconds: float = 10.0
    """A query that exceeds its own limit by this is interrupted."""
    export_rows: int = 500


USUAL_LIMITS = ExploreLimits()


class StoreExplorer:
    """Implements ``DocumentReader`` on the store at ``path``."""

    name = "store"
    title = "the embedded store"
    tail_seconds = 0.5
    hints: Sequence[str] = (
        "Values of fields other than service, log_level, stream, app_module and logger_name are "
        "counted in the newest 2,000 documents of a view.",
    )

    def __init__(self, path: Path, limits: ExploreLimits = USUAL_LIMITS) -> None:
        self._path, self._limits = path, limits
        self._turns = Turns(self.name, at_once=AT_ONCE, waiting=limits.waiting)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="explore")
        self._fields: list[str] = []
        self._fields_at = float("-inf")

    async def look(
        self, view: View, *, place: str | None, limit: int, is_patient: bool
    ) -> ExploreResult:
        """Return a page, the counts of its view, and the fields that no document has."""
        limits = self._limits
        seconds = limits.patient_seconds if is_patient else limits.seconds

        def look(deadline: _Deadline, reader: ExploreReader) -> ExploreResult:
            begin = time.perf_counter()
            deadline.set(seconds)
            page = reader.page(view, place=place, limit=limit)
            deadline.set(seconds)
            counts = reader.counts(view)
            deadline.set(seconds)
            counts = counts._replace(facets=reader.facets(view, counts))
            named = named_fields(view)
            return ExploreResult(
                page,
                counts,
                time.perf_counter() - begin,
                reader.last_id() == 0,
                unknown_fields(named, self._names(reader), page.hits) if named else (),
            )

        return await self._ask(look, seconds=3 * seconds)

    async def newest_time(self) -> str | None:
        """Return the time of the newest document."""
        return await self._ask(lambda _, reader: reader.newest_time())

    async def document(
        self, document_id: str, *, around: int
    ) -> tuple[Hit, DocumentContext] | None:
        """Return one document with its context, None when it was deleted."""
        number = _number(document_id)
        if number is None:
            return None

        def document(
            deadline: _Deadline, reader: ExploreReader
        ) -> tuple[Hit, DocumentContext] | None:
            deadline.set(self._limits.seconds)
            hit = reader.document(number)
            if hit is None:
                return None
            return hit, context_of(reader.connection, hit, count=around, is_time_up=deadline.is_up)

        return await self._ask(document)

    async def whole(self, document_id: str) -> AsyncIterator[bytes]:
        """Yield one document as it is stored, in parts; a thread is held for a part at a time.

        Raises:
            DocumentMissing: it was deleted, before or during the read.
        """
        number, begin = _number(document_id), 0
        while True:
            part = None if number is None else await self._ask(partial(_part, number, begin))
            if part is None:
                raise DocumentMissing(sink=self.name, cause=NO_DOCUMENT)
            if not part:
                return
            yield part
            begin += len(part)

    async def fields(self) -> list[str]:
        """Return the names of fields that documents stored lately have."""
        if time.monotonic() - self._fields_at > FIELDS_SECONDS:
            return await self._ask(lambda _, reader: self._names(reader))
        return self._fields

    def _names(self, reader: ExploreReader) -> list[str]:
        if time.monotonic() - self._fields_at > FIELDS_SECONDS:
            self._fields = completion.fields(reader.connection)
            self._fields_at = time.monotonic()
        return self._fields

    async def values(self, field: str, *, beginning: str, limit: int) -> list[FieldValue]:
        """Return values of a field that begin with ``beginning``, most frequent first."""
        return await self._ask(
            lambda _, reader: completion.values(
                reader.connection, field, beginning=beginning, limit=limit
            )
        )

    async def position(self) -> str:
        """Return the id of the document stored last."""
        return str(await self._ask(lambda _, reader: reader.last_id()))

    async def tail(self, view: View, *, after: str, limit: int) -> Tail:
        """Return the documents stored after a document."""

        def tail(deadline: _Deadline, reader: ExploreReader) -> Tail:
            deadline.set(self._limits.seconds)
            number = _number(after)
            return reader.tail(
                view, after=reader.last_id() if number is None else number, limit=limit
            )

        return await self._ask(tail)

    async def export(self, view: View) -> AsyncIterator[list[Hit]]:
        """Yield all documents that match, in order; a thread is held for a page at a time.

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

    async def search(self, view: View, *, limit: int | None = None) -> AsyncIterator[list[Hit]]:
        """Yield whole documents, oldest first; with ``limit`` the newest so many of them."""
        with StoreReader(self._path, now=datetime.now(UTC)) as reader:
            hits = reader.search(reader.question(view), limit=limit)
            while some := await self._work(reader, lambda: list(islice(hits, ROWS_A_LIST))):
                yield some

    async def count(self, view: View) -> int:
        """Return how many documents match."""
        with StoreReader(self._path, now=datetime.now(UTC)) as reader:
            return await self._work(reader, lambda: reader.count(reader.question(view)))

    async def count_by(self, view: View, field: str) -> list[tuple[str | None, int]]:
        """Return each value of a field with its number of documents, most frequent first."""
        with StoreReader(self._path, now=datetime.now(UTC)) as reader:
            return await self._work(reader, lambda: reader.count_by(reader.question(view), field))

    async def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)

    async def _work(self, reader: StoreReader, work: Callable[[], T]) -> T:
        """Run one step of the CLI's question in a thread, and interrupt it when it is cancelled."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            await _interrupt(reader, running)
            raise
        return running.result()

    async def _ask(
        self,
        question: Callable[[_Deadline, ExploreReader], T],
        *,
        seconds: float | None = None,
        now: datetime | None = None,
    ) -> T:
        """Run a query in a thread when its turn comes, and interrupt it at its limit."""
        limits = self._limits
        deadline = _Deadline()

        def answer() -> T:
            with ExploreReader(
                self._path, now=now or datetime.now(UTC), is_time_up=deadline.is_up
            ) as reader:
                deadline.reader = reader
                return question(deadline, reader)

        async with self._turns.one():
            work = asyncio.get_running_loop().run_in_executor(self._threads, answer)
            try:
                given = limits.seconds if seconds is None else seconds
                done, _ = await asyncio.wait({work}, timeout=given + limits.end_seconds)
                if not done:
                    await _interrupt(deadline, work)
            except asyncio.CancelledError:
                await _interrupt(deadline, work)
                raise
        return work.result()


def _number(text: str) -> int | None:
    """Return the number of a document, None for what cannot be one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _part(number: int, begin: int, _: _Deadline, reader: ExploreReader) -> bytes | None:
    return reader.part(number, begin)


def _page(
    view: View, place: str | None, limits: ExploreLimits, deadline: _Deadline, reader: ExploreReader
) -> Page:
    deadline.set(limits.seconds)
    return reader.page(view, place=place, limit=limits.export_rows)


class Interruptible(Protocol):
    """Something that works in another thread."""

    def interrupt(self) -> None:
        """End the statement that runs, if there is one."""
        ...


class _Deadline:
    """The deadline of a query; it may be set again for a second part."""

    def __init__(self) -> None:
        self.reader: ExploreReader | None = None
        self._end = float("inf")
        self._is_stopped = False

    def set(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def is_up(self) -> bool:
        return self._is_stopped or time.monotonic() >= self._end

    def interrupt(self) -> None:
        self._is_stopped = True
        if self.reader is not None:
            self.reader.interrupt()


async def _interrupt(one: Interruptible, work: asyncio.Future[T]) -> None:
    """Interrupt a query until its thread is free; its result is discarded."""
    while not work.done():
        one.interrupt()
        await asyncio.wait({work}, timeout=INTERRUPT_SECONDS)

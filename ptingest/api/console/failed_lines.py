"""The newest stored lines that fit no pattern, like ones together, for who may read documents.

They are read from a sink, not kept for this page. A page that refreshes itself is shown the
same answer for a while: each one is a handful of questions to the reader.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ptingest.api.console.clauses import added, clause
from ptingest.api.console.documents import body_of, text_of
from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.explore_address import ExploreAddress
from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.model.explore import DocumentReader, View
from ptingest.pipeline.shapes import Near, shape

SINCE = "24h"
SERVICES = 8
LINES = 300
"""Of each service, the newest."""
GROUPS = 12
"""Of each service, those with most lines."""
FRESH_SECONDS = 30.0


class LikeLines(NamedTuple):
    """Lines of one service that are built alike."""

    shape: str
    lines: int
    """Among the newest of the service."""
    example: str
    """The newest of them."""
    near: Near | None


class ServiceLines(NamedTuple):
    """The lines of one service."""

    service: str | None
    documents: int
    looked_at: int
    """The newest so many were put into groups."""
    groups: Sequence[LikeLines]
    more: int
    """Groups that are left out."""
    address: str
    """Where all of them are shown in Explore."""


class FailedLinesPage(NamedTuple):
    """What the page shows."""

    services: Sequence[ServiceLines] = ()
    more_services: int = 0
    is_whole: bool = True
    """False when time ran out: then the counts are lower bounds."""
    failure: str = ""
    """Why nothing could be read."""


class FailedLines:
    """Reads them from the sink that can be read."""

    def __init__(
        self,
        reader: DocumentReader,
        dry_run: DryRun,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._dry_run, self._clock = reader, dry_run, clock
        self._lock = asyncio.Lock()
        self._last: tuple[float, FailedLinesPage] | None = None

    async def look(self) -> FailedLinesPage:
        """Return the lines of the last day; a failure is part of the answer."""
        async with self._lock:
            if self._last is not None and self._clock() - self._last[0] < FRESH_SECONDS:
                return self._last[1]
            try:
                page = await self._read()
            except SinkUnavailable as error:
                page = FailedLinesPage(failure=error.cause)
            except QueryInvalid as error:  # a tag of the profile that cannot be asked for
                page = FailedLinesPage(failure=str(error))
            self._last = (self._clock(), page)
            return page

    async def _read(self) -> FailedLinesPage:
        query = failed_query(self._dry_run.failure_tags())
        view = View(query, SINCE, facets=("service",))
        found = await self._reader.look(view, place=None, limit=1, is_patient=False)
        (facet,) = found.counts.facets
        services = [
            await self._service(added(query, clause("service", service)), service, documents)
            for service, documents in facet.values[:SERVICES]
        ]
        left_out = len(facet.values[SERVICES:]) + facet.more
        return FailedLinesPage(services, left_out, found.counts.is_whole)

    async def _service(self, query: str, service: str | None, documents: int) -> ServiceLines:
        view = View(query, SINCE, facets=())
        found = await self._reader.look(view, place=None, limit=LINES, is_patient=False)
        lines = [text_of(body_of(hit).get("message")) for hit in found.page.hits]
        groups, more = await asyncio.to_thread(self._grouped, lines)
        address = ExploreAddress(query, SINCE).address()
        return ServiceLines(service, documents, len(lines), groups, more, address)

    def _grouped(self, lines: Sequence[str]) -> tuple[list[LikeLines], int]:
        counter: Counter[str] = Counter()
        newest: dict[str, str] = {}
        for line in lines:
            kind = shape(line)
            counter[kind] += 1
            newest.setdefault(kind, line)
        groups = [
            LikeLines(kind, count, newest[kind], self._dry_run.nearest(newest[kind]))
            for kind, count in counter.most_common(GROUPS)
        ]
        return groups, len(counter) - len(groups)


def failed_query(tags: Sequence[str]) -> str:
    """Return the query for documents that no pattern fits."""
    tagged = " or ".join(clause("tags", tag) for tag in tags)
    return f"({tagged})" if len(tags) > 1 else tagged

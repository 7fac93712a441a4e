"""Documents in Elasticsearch's failure stores, beside the dead letters: by kind, and each whole.

    GET  /dead-letters/failures/ID        one document, and what Elasticsearch said
    POST /dead-letters/failures/requeue   by form; done by the job that the command line uses

They are read with the login of ``sinks.elasticsearch``, and only while somebody looks: one reading
serves all who look for a while, and a page waits for it no longer than a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ptingest.api.console.failures import pretty
from ptingest.api.console.site import Site, while_waited_for
from ptingest.dead_letters.event_preview import event_preview
from ptingest.errors import NoFailureStores, SinkUnavailable
from ptingest.model.failures import FailureDocument, FailureGroup, FailurePage
from ptingest.model.letters import LetterFilter, LetterKind

if TYPE_CHECKING:
    from aiohttp import web

MOST_READ = 2_000
"""The newest documents that are grouped."""
FRESH_SECONDS = 30.0
NONE_SECONDS = 600.0
"""How long it is taken for granted that this Elasticsearch has no failure stores."""
PAGE_WAITS_SECONDS = 1.0
"""A reading that takes longer is shown by a later page, which refreshes itself."""
SHOWN_CHARACTERS = 200_000
NEAT_BYTES = 256 << 10
"""A larger document is shown as it came."""


class ReadsFailures(Protocol):
    """The part of a reader of failure stores that these pages need."""

    async def look(self, choice: LetterFilter, *, most: int) -> FailurePage: ...

    async def find(self, failure_id: str) -> FailureDocument | None: ...

    async def close(self) -> None: ...


class FailureRow(NamedTuple):
    """One group as the template shows it."""

    kind: LetterKind
    documents: int
    newest: str
    example_id: str
    service: str
    message: str
    """Of the newest document."""


class FailureLook(NamedTuple):
    """What the page shows of failure stores."""

    rows: tuple[FailureRow, ...] = ()
    seen: int = 0
    left_out: int = 0
    """Older documents that were not read."""
    trouble: str = ""
    """Why nothing could be read."""
    is_known: bool = True
    """False as long as the first reading is not done."""


class FailureStores:
    """Reads the failure stores; opened by the first look."""

    def __init__(
        self, opened: Callable[[], ReadsFailures], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._opened, self._clock = opened, clock
        self._reader: ReadsFailures | None = None
        self._reading: asyncio.Task[None] | None = None
        self._last: FailureLook | None = FailureLook(is_known=False)
        self._fresh_until = float("-inf")

    async def look(self) -> FailureLook | None:
        """Return what was read last, or None where there are no failure stores."""
        if self._reading is None and self._clock() >= self._fresh_until:
            self._reading = asyncio.create_task(self._read(), name="read failure stores")
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=PAGE_WAITS_SECONDS)
        return self._last

    def forget(self) -> None:
        """Read again next time: something was changed."""
        self._fresh_until = float("-inf")

    async def find(self, failure_id: str) -> FailureDocument | None:
        """Return one document whole.

        Raises:
            SinkUnavailable: no answer, no failure stores, or a privilege is missing.
        """
        return await self._open().find(failure_id)

    async def close(self) -> None:
        """Stop reading and close the connections."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._reader is not None:
            await self._reader.close()

    def _open(self) -> ReadsFailures:
        if self._reader is None:
            self._reader = self._opened()
        return self._reader

    async def _read(self) -> None:
        seconds = FRESH_SECONDS
        try:
            page = await self._open().look(LetterFilter(everything=True), most=MOST_READ)
            self._last = FailureLook(tuple(map(_row, page.groups)), page.seen, page.left_out)
        except NoFailureStores:
            self._last, seconds = None, NONE_SECONDS
        except SinkUnavailable as error:
            self._last = FailureLook(trouble=error.cause)
        finally:
            self._fresh_until = self._clock() + seconds
            self._reading = None


def _row(group: FailureGroup) -> FailureRow:
    example = group.example
    preview = event_preview(example.source)
    kind = LetterKind(group.reason, group.data_stream)
    shown = (preview.service, preview.message)
    return FailureRow(kind, group.documents, group.newest, example.id, *shown)


class FailurePages:
    """The handler of one document's page."""

    def __init__(self, site: Site, stores: FailureStores) -> None:
        self._site, self._stores = site, stores

    async def show(self, request: web.Request) -> web.StreamResponse:
        failure_id = request.match_info["id"]
        try:
            found = await while_waited_for(request, self._stores.find(failure_id))
        except SinkUnavailable as error:
            return await self._site.notice(request, 503, "Not now", error.cause)
        if found is None:
            text = "No failure store has this document: it was purged, or retention removed it."
            return await self._site.notice(request, 404, "No such document", text)
        return await self._site.page(request, "failure_document.html", **document_values(found))


def document_values(found: FailureDocument) -> dict[str, Any]:
    """Return what the template shows of one document."""
    # A large one is neither decoded nor formatted.
    is_small = len(found.source) <= NEAT_BYTES
    shown = found.source if is_small else found.source[:SHOWN_CHARACTERS]
    text = shown.decode("utf-8", "backslashreplace" if is_small else "replace")
    body = pretty(text) if is_small else text
    return {
        "failure": found,
        "service": event_preview(found.source).service,
        "time": _readable(found.time),
        "body": body[:SHOWN_CHARACTERS],
        "left_out": max(0, (len(body) if is_small else len(found.source)) - SHOWN_CHARACTERS),
    }


def _readable(time_text: str) -> str:
    """Return a time as the lists show it; one that cannot be read as it is."""
    try:
        return f"{datetime.fromisoformat(time_text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return time_text


def failure_routes(site: Site, stores: FailureStores) -> list[web.RouteDef]:
    """Return the route of one document's page."""
    from aiohttp import web

    return [web.get("/dead-letters/failures/{id:[0-9A-Za-z_-]+}", FailurePages(site, stores).show)]

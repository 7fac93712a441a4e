"""Stored documents, in Kibana's query language.

Everything that decides what is shown is in the address, so a view can be bookmarked and sent.
The page works without JavaScript; `explore.js` adds completion, rows that open in place, a
live tail and keys.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ptingest.api.console.clauses import (
    Writing,
    quoted,
    written_at,
)
from ptingest.api.console.documents import (
    body_of,
    columns_of,
    message_of,
    pretty,
    shown_fields,
)
from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.explore_address import (
    ExploreAddress,
    span_with_data,
)
from ptingest.api.console.explore_values import (
    field_values,
    pointed,
    row_of,
    trace_address,
    view_values,
    whole_address,
)
from ptingest.api.console.export import KINDS, send_document, send_file
from ptingest.api.console.highlights import Highlights
from ptingest.api.console.kibana import discover_address
from ptingest.api.console.site import Site, while_waited_for
from ptingest.errors import (
    DocumentMissing,
    QueryInvalid,
    RequestInvalid,
    SinkUnavailable,
    StoreMissing,
)
from ptingest.model.explore import DocumentReader, Tail, View
from ptingest.settings.console import SavedSearch
from ptingest.settings.logstash import USUAL_GROUP

if TYPE_CHECKING:
    from aiohttp import web

    from ptingest.api.console.site import Handler

PAGE_ROWS = 100
AROUND = 5
"""Neighbours to each side."""
COMPLETIONS = 12
TAIL_SECONDS = 15.0
TAIL_ROWS = 100
TAILS = 8
"""Live tails at once."""
EXPORTS = 2
NUMBER = re.compile(r"[0-9]{1,18}")


def explore_routes(
    site: Site,
    reader: DocumentReader | None,
    dry_run: DryRun | None,
    *,
    shows_traces: bool = False,
    searches: Sequence[SavedSearch] = (),
    kibana_url: str | None = None,
) -> list[web.RouteDef]:
    """Return the routes; without a reader the page says what to do. ``shows_traces``: there is
    a page `/life`. ``kibana_url``: where views can be seen in Kibana."""
    from aiohttp import web

    pages = None
    if reader is not None:
        pages = _Pages(site, reader, dry_run, shows_traces, searches, kibana_url)
    if pages is None:

        async def nothing(request: web.Request) -> web.StreamResponse:
            return await site.page(request, "explore_none.html")

        return [web.get("/explore", nothing)]
    routes = {
        "/explore": pages.explore,
        "/explore/document": pages.document,
        "/explore/document/whole": pages.whole,
        "/explore/complete": pages.complete,
        "/explore/tail": pages.tail,
        "/explore/export": pages.export,
    }
    return [web.get(path, _understood(site, handler)) for path, handler in routes.items()]


def _understood(site: Site, handler: Handler) -> Handler:
    """Answer with the reason where a request makes no sense."""

    async def understood(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RequestInvalid as error:
            return await site.notice(request, 400, "Not understood", error.why)

    return understood


class _Pages:
    """The handlers of one site."""

    def __init__(
        self,
        site: Site,
        reader: DocumentReader,
        dry_run: DryRun | None,
        shows_traces: bool,
        searches: Sequence[SavedSearch],
        kibana_url: str | None,
    ) -> None:
        self._site, self._reader, self._dry_run = site, reader, dry_run
        self._shows_traces, self._searches = shows_traces, searches
        self._kibana_url = kibana_url
        self._tails = 0
        self._exports = 0

    async def explore(self, request: web.Request) -> web.StreamResponse:
        asked = ExploreAddress.read(request.query)
        look, trouble, failure, status = None, None, "", 200
        try:
            asked = await self._with_span(asked)
            look = await while_waited_for(
                request,
                self._reader.look(
                    asked.view,
                    place=asked.place,
                    limit=PAGE_ROWS,
                    is_patient=asked.patient is not None,
                ),
            )
        except QueryInvalid as error:
            trouble, status = pointed(asked, error), 400
        except StoreMissing:
            return await self._site.page(request, "explore_none.html", reader=self._reader)
        except SinkUnavailable as error:
            failure, status = error.cause, 503
        if look is not None and look.is_empty:
            return await self._site.page(request, "explore_none.html", reader=self._reader)
        values = {
            **view_values(asked, look, self._reader, self._group()),
            "searches": self._searches,
            "kibana": self._kibana(asked),
        }
        return await self._site.page(
            request, "explore.html", status=status, trouble=trouble, failure=failure, **values
        )

    def _group(self) -> str:
        """The group of the example queries."""
        groups = [] if self._dry_run is None else self._dry_run.groups()
        return groups[0] if groups else USUAL_GROUP

    def _kibana(self, asked: ExploreAddress) -> str | None:
        """Return the address of the view in Kibana, None where none is known or it has no sense."""
        if self._kibana_url is None:
            return None
        try:
            view = asked.view
        except QueryInvalid:
            return None
        return discover_address(
            self._kibana_url, view, columns_of(asked.columns), datetime.now(UTC)
        )

    async def _with_span(self, asked: ExploreAddress) -> ExploreAddress:
        """Choose a span that has documents where the address names none."""
        if asked.since is not None:
            return asked
        if asked.until:
            return asked._replace(since="")
        newest = await self._reader.newest_time()
        return asked._replace(since=span_with_data(newest, datetime.now(UTC)))

    async def document(self, request: web.Request) -> web.StreamResponse:
        asked = ExploreAddress.read(request.query, "id")
        try:
            found = await self._reader.document(request.query.get("id", ""), around=AROUND)
        except SinkUnavailable as error:
            return await self._site.notice(request, 503, "Not now", str(error.cause))
        if found is None:
            text = "There is no such document: retention may have removed it."
            return await self._site.notice(request, 404, "Not here", text)
        hit, neighbours = found
        body = body_of(hit)
        message = message_of(body)
        own, others = shown_fields(body, message)
        marks = Highlights(asked.query)
        return await self._site.page(
            request,
            "explore_document.html",
            hit=hit,
            message=marks.pieces("message", message),
            own=[field_values(asked, one) for one in own],
            others=[field_values(asked, one) for one in others],
            json=pretty(hit.body),
            around=[
                *[(False, row_of(asked, one, marks)) for one in neighbours.before],
                (True, row_of(asked, hit, marks)),
                *[(False, row_of(asked, one, marks)) for one in neighbours.after],
            ],
            basis=neighbours.basis,
            columns=columns_of(asked.columns),
            back=asked.address(),
            parse=None if hit.is_cut else await self._parse(body),
            whole=whole_address(hit),
            life=trace_address(hit) if self._shows_traces else None,
        )

    async def whole(self, request: web.Request) -> web.StreamResponse:
        """Answer with one document as it is stored, however large."""
        ExploreAddress.read(request.query, "id")
        document_id = request.query.get("id", "")
        if self._exports >= EXPORTS:
            text = f"{EXPORTS} exports are running, which is the limit; wait for one to end."
            return await self._site.notice(request, 429, "Not yet", text)
        self._exports += 1
        try:
            parts = self._reader.whole(document_id)
            return await send_document(request, parts, document_id=document_id)
        except DocumentMissing as error:
            return await self._site.notice(request, 404, "Not here", error.cause)
        except SinkUnavailable as error:
            return await self._site.notice(request, 503, "Not now", error.cause)
        finally:
            self._exports -= 1

    async def _parse(self, body: dict[str, Any]) -> dict[str, object] | None:
        """Return how the line is parsed today, which may differ from the day it came."""
        event, service = body.get("event"), body.get("service")
        original = event.get("original") if isinstance(event, dict) else None
        if self._dry_run is None or not isinstance(original, str) or not isinstance(service, str):
            return None
        tried = await self._dry_run.try_lines(original, service=service, multiline=True)
        if not tried.stops:
            return None
        return {"original": original, "service": service, "patterns": tried.stops[0].patterns}

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer with completions for the cursor, as JSON; a busy reader offers none."""
        ExploreAddress.read(request.query, "at")
        query, at = request.query.get("q", ""), request.query.get("at", "")
        writing = written_at(query, int(at)) if NUMBER.fullmatch(at) else None
        try:
            items = await self._completions(writing)
        except SinkUnavailable:
            items = []
        return _json({"start": writing.start if writing is not None else 0, "items": items})

    async def _completions(self, writing: Writing | None) -> list[dict[str, str]]:
        if writing is not None and writing.field is not None:
            values = await self._reader.values(
                writing.field, beginning=writing.beginning, limit=COMPLETIONS
            )
            return [{"text": quoted(one.text), "note": f"{one.documents:,}"} for one in values]
        if writing is not None:
            wanted = writing.beginning.lower()
            names = [one for one in await self._reader.fields() if wanted in one.lower()]
            names.sort(key=lambda name: (not name.lower().startswith(wanted), name))
            return [{"text": f"{name}:", "note": "field"} for name in names[:COMPLETIONS]]
        return []

    async def tail(self, request: web.Request) -> web.StreamResponse:
        """Answer with rows for what was stored since ``after``; waits a while for some. Without
        ``after`` the answer is the position to go on from."""
        from aiohttp import web

        asked = ExploreAddress.read(request.query, "after")
        after = request.query.get("after", "")
        if self._tails >= TAILS:
            text = f"{TAILS} live tails are open, which is the limit; close one\n"
            return web.Response(text=text, status=429)
        self._tails += 1
        try:
            begin = after or await self._reader.position()
            seconds = TAIL_SECONDS if after else 0.0
            waiting = self._wait_for_more(asked.view, begin, seconds)
            tail = await while_waited_for(request, waiting)
        except QueryInvalid as error:
            return web.Response(text=str(error), status=400)
        except SinkUnavailable as error:
            return web.Response(text=str(error.cause), status=503)
        finally:
            self._tails -= 1
        marks = Highlights(asked.query)
        answer = await self._site.page(
            request,
            "explore_rows.html",
            rows=[row_of(asked, hit, marks) for hit in reversed(tail.hits)],
            columns=columns_of(asked.columns),
        )
        answer.headers["X-Last-Id"] = tail.position
        answer.headers["X-Cut"] = "yes" if tail.is_cut else "no"
        return answer

    async def _wait_for_more(self, view: View, after: str, seconds: float) -> Tail:
        end = asyncio.get_running_loop().time() + seconds
        while True:
            tail = await self._reader.tail(view, after=after, limit=TAIL_ROWS)
            if tail.hits or tail.is_cut or asyncio.get_running_loop().time() >= end:
                return tail
            after = tail.position
            await asyncio.sleep(self._reader.tail_seconds)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Answer with the whole view as a file."""
        asked = ExploreAddress.read(request.query, "as")
        kind = request.query.get("as", "ndjson")
        if kind not in KINDS:
            text = f"{kind!r} is not a format; known are {' and '.join(KINDS)}"
            return await self._site.notice(request, 400, "Not exported", text)
        if self._exports >= EXPORTS:
            text = f"{EXPORTS} exports are running, which is the limit; wait for one to end."
            return await self._site.notice(request, 429, "Not yet", text)
        self._exports += 1
        columns = list(dict.fromkeys(("@timestamp", *columns_of(asked.columns))))
        try:
            asked = await self._with_span(asked)
            pages = self._reader.export(asked.view)
            return await send_file(
                request, pages, whole=self._reader.whole, kind=kind, columns=columns
            )
        except QueryInvalid as error:
            return await self._site.notice(request, 400, "Not exported", str(error))
        except SinkUnavailable as error:
            return await self._site.notice(request, 503, "Not exported", error.cause)
        finally:
            self._exports -= 1


def _json(value: object) -> web.Response:
    import orjson
    from aiohttp import web

    return web.Response(body=orjson.dumps(value), content_type="application/json")

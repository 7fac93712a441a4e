"""The trace of one event, as far as the server remembers it; `ptingest why` as a page.

    GET /life?id=KEY

A document's page links here. For an event that is not in memory the page says how far back the
memory reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptingest.api.console.site import Site
from ptingest.api.why import TraceService
from ptingest.model.watching import WhyRequest

if TYPE_CHECKING:
    from aiohttp import web

KEY_CHARACTERS = 512
"""Elasticsearch's own limit for an `_id`; no key is longer."""


def trace_routes(site: Site, why: TraceService) -> list[web.RouteDef]:
    """Return the route of this page."""
    from aiohttp import web

    async def trace(request: web.Request) -> web.StreamResponse:
        key = request.query.get("id", "")
        if not 0 < len(key) <= KEY_CHARACTERS:
            text = "This page shows the trace of one event: open it from a document's page."
            return await site.notice(request, 400, "Which event?", text)
        answer = await why.why(WhyRequest(id=key))
        return await site.page(
            request,
            "trace.html",
            key=key,
            traces=answer["found"],
            memory=answer["memory"],
            silent=answer.get("silent", {}),
        )

    return [web.get("/life", trace)]

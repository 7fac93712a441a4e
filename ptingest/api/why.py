"""GET /why?id=KEY and POST /why {"line": "..."}: the trace of one event, as far as remembered.

    {"found": [{"id": ..., "window": {...}, "attempts": [...], "summary": "..."}, ...],
     "matching": how many events match, of which at most ten are in "found",
     "memory": {"bytes": ..., "limit_bytes": ..., "setting": "why.max_bytes", ...}}

For clients that may see events. A POST carries the line, which must not be in an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import orjson

from ptingest.api.access import objection_to_look
from ptingest.model.watching import WhyRequest

if TYPE_CHECKING:
    from aiohttp import web


class TraceService(Protocol):
    """Remembers traces; one process or a supervisor implements it."""

    async def why(self, question: WhyRequest) -> dict[str, object]:
        """Return ``found``, ``matching`` and ``memory`` as JSON-ready values."""
        ...


def why_routes(traces: TraceService, *, is_guarded: bool) -> list[web.RouteDef]:
    """Return the routes; ``is_guarded``: the token was checked already."""
    from aiohttp import web

    async def why(request: web.Request) -> web.Response:
        refusal = objection_to_look(request, is_guarded=is_guarded)
        if refusal is not None:
            return web.json_response({"error": refusal}, status=403)
        try:
            if request.method == "POST":
                question = msgspec.json.decode(await request.read(), type=WhyRequest)
            else:
                question = msgspec.convert(dict(request.query.items()), WhyRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return web.json_response({"error": f"the request is not valid: {error}"}, status=400)
        if bool(question.id) == bool(question.line):
            text = "give either an id or a line"
            return web.json_response({"error": text}, status=400)
        answer = orjson.dumps(await traces.why(question), option=orjson.OPT_NON_STR_KEYS)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=answer, content_type="application/json", headers=headers)

    return [web.get("/why", why), web.post("/why", why)]

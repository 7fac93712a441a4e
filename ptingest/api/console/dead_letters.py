"""Events that no sink takes: by reason, each with its detail, and what can be done.

    GET  /dead-letters            counts by reason, and a list, newest first
    GET  /dead-letters/ID         one letter; /payload is the event as received, to download
    POST /dead-letters/requeue    by form; so is purge, which asks for confirmation

Changes are done by the same jobs as the orders of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from ptingest.api.console.failures import pretty
from ptingest.api.console.site import ROOT, Site
from ptingest.api.letters import DeadLetterJobs
from ptingest.dead_letters.browser import DeadLetterBrowser
from ptingest.errors import JobRefused
from ptingest.model.letters import LetterFilter, Order
from ptingest.model.rfc3339 import rfc3339

if TYPE_CHECKING:
    from aiohttp import web

PAGE_ROWS = 50
SHOWN_CHARACTERS = 200_000
"""Of one payload; the rest is in the download."""
NEAT_BYTES = 256 << 10
"""A larger payload is shown as it came."""
HERE = f"{ROOT}/dead-letters"

AGES: tuple[tuple[str, str, timedelta], ...] = (
    ("1h", "an hour", timedelta(hours=1)),
    ("1d", "a day", timedelta(days=1)),
    ("7d", "7 days", timedelta(days=7)),
    ("30d", "30 days", timedelta(days=30)),
)


class LettersPages:
    """The handlers of these pages."""

    def __init__(self, site: Site, letters: DeadLetterBrowser, jobs: DeadLetterJobs) -> None:
        self._site, self._letters, self._jobs = site, letters, jobs

    async def list(self, request: web.Request) -> web.StreamResponse:
        reason, stream = request.query.get("reason", ""), request.query.get("stream", "")
        look = await self._letters.look(reason=reason, data_stream=stream)
        pages = max(1, -(-len(look.rows) // PAGE_ROWS))
        number = min(pages, _number(request.query.get("page", "1")))
        begin = (number - 1) * PAGE_ROWS
        return await self._site.page(
            request,
            "dead_letters.html",
            look=look,
            rows=look.rows[begin : begin + PAGE_ROWS],
            first=begin + 1,
            reason=reason,
            stream=stream,
            kinds=[
                (kind, count, _link(reason=kind[0], stream=kind[1])) for kind, count in look.kinds
            ],
            newer=_link(reason=reason, stream=stream, page=number - 1) if number > 1 else None,
            older=_link(reason=reason, stream=stream, page=number + 1) if number < pages else None,
            ages=AGES,
            progress=progress_of(self._jobs.progress()),
        )

    async def show(self, request: web.Request) -> web.StreamResponse:
        found = await self._letters.find(request.match_info["id"])
        if found is None:
            return await self._gone(request)
        # A large one is neither decoded nor formatted: the download has it.
        is_small = len(found.payload) <= NEAT_BYTES
        shown = found.payload if is_small else found.payload[:SHOWN_CHARACTERS]
        text = shown.decode("utf-8", "backslashreplace" if is_small else "replace")
        neat = pretty(text) if is_small else text
        return await self._site.page(
            request,
            "dead_letter.html",
            letter=found.row,
            key=found.key,
            detail=pretty(found.row.detail[:SHOWN_CHARACTERS]),
            neat=neat[:SHOWN_CHARACTERS] if neat != text else None,
            raw=text[:SHOWN_CHARACTERS],
            left_out=max(0, (len(text) if is_small else len(found.payload)) - SHOWN_CHARACTERS),
        )

    async def payload(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        found = await self._letters.find(request.match_info["id"])
        if found is None:
            return await self._gone(request)
        name = f"{found.row.id}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(
            body=found.payload, content_type="application/octet-stream", headers=headers
        )

    async def order(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        what: Literal["requeue", "purge"] = (
            "purge" if request.match_info["what"] == "purge" else "requeue"
        )
        form = await request.post()
        choice = choice_of(form, now=datetime.now(UTC))
        if choice.is_empty:
            text = "No letter was selected: select some, or select all that match."
            return await self._site.notice(request, 400, "Nothing selected", text)
        if what == "purge" and "sure" not in form:
            return await self._site.page(
                request, "dead_letters_purge.html", choice=choice, fields=fields_of(form)
            )
        try:
            self._jobs.begin(Order(what, choice))
        except JobRefused as error:
            return await self._site.notice(request, 409, "Not now", str(error))
        self._letters.forget()
        return web.Response(status=303, headers={"Location": HERE})

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        text = "This letter is not waiting here: it was requeued or purged, or never existed."
        return await self._site.notice(request, 404, "No such letter", text)


def letters_routes(
    site: Site, letters: DeadLetterBrowser, jobs: DeadLetterJobs
) -> list[web.RouteDef]:
    """Return the routes of these pages."""
    from aiohttp import web

    pages = LettersPages(site, letters, jobs)
    return [
        web.get("/dead-letters", pages.list),
        web.get("/dead-letters/{id:[0-9A-Za-z]+}", pages.show),
        web.get("/dead-letters/{id:[0-9A-Za-z]+}/payload", pages.payload),
        web.post("/dead-letters/{what:requeue|purge}", site.changing(pages.order)),
    ]


def _link(**asked: object) -> str:
    kept = {name: value for name, value in asked.items() if value not in ("", 1)}
    return HERE + (f"?{urlencode(kept, errors='replace')}" if kept else "")


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def fields_of(form: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of a form that select letters, for the confirmation; names may repeat."""
    names = ("which", "id", "reason", "stream", "age")
    return [(name, str(value)) for name, value in form.items() if name in names]


def choice_of(form: Mapping[str, Any], *, now: datetime) -> LetterFilter:
    """Return the letters a form means: those ticked, or all that fit its filter.

    An unknown age chooses nothing, rather than letters of any age.
    """
    fields = fields_of(form)
    if str(form.get("which", "ticked")) == "ticked":
        return LetterFilter(ids=tuple(value for name, value in fields if name == "id"))
    age = str(form.get("age", ""))
    spans = {name: span for name, _, span in AGES}
    if age and age not in spans:
        return LetterFilter()
    before = None
    if age:
        before = rfc3339(now - spans[age])
    reason, stream = str(form.get("reason", "")), str(form.get("stream", ""))
    return LetterFilter(
        everything=not (reason or stream or before),
        reasons=(reason,) if reason else (),
        data_streams=(stream,) if stream else (),
        before=before,
    )


def progress_of(progress: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how far the last order is, as the template shows it; None if there was none."""
    if not progress.get("what"):
        return None
    tally = dict(progress.get("tally") or {})
    chosen, because = tally.pop("chosen", 0), tally.pop("left_because", None)
    done = {name.replace("_", " "): count for name, count in tally.items() if count}
    return {
        "what": progress["what"],
        "finished": progress.get("finished", True),
        "failed": progress.get("failed"),
        "chosen": chosen,
        "done": done,
        "because": because,
    }

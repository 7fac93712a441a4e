"""Events that no sink takes: by kind, each with its message and detail, and what can be done.

    GET  /dead-letters            groups by reason and data stream, and a list, newest first
    GET  /dead-letters/ID         one letter; /payload is the event as received, to download
    POST /dead-letters/requeue    by form; so is purge, which asks for confirmation
    POST /dead-letters/failures/requeue   documents in failure stores, which the list shows, too

Changes are done by the same jobs as the orders of the command line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from ptingest.api.console.failure_stores import FailureStores, failure_routes
from ptingest.api.console.failures import pretty
from ptingest.api.console.site import ROOT, Site
from ptingest.api.letters import DeadLetterJobs
from ptingest.dead_letters.browser import DeadLetterBrowser
from ptingest.errors import JobRefused
from ptingest.model.letters import LetterFilter, LetterKind, Order
from ptingest.model.rfc3339 import rfc3339

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

PAGE_ROWS = 50
SHOWN_CHARACTERS = 200_000
"""Of one payload; the rest is in the download."""
NEAT_BYTES = 256 << 10
"""A larger payload is shown as it came."""
EXAMPLES = 10
"""Letters that a purge shows before it is confirmed."""
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
HERE = f"{ROOT}/dead-letters"

AGES: tuple[tuple[str, str, timedelta], ...] = (
    ("1h", "an hour", timedelta(hours=1)),
    ("1d", "a day", timedelta(days=1)),
    ("7d", "7 days", timedelta(days=7)),
    ("30d", "30 days", timedelta(days=30)),
)


class LettersPages:
    """The handlers of these pages."""

    def __init__(
        self,
        site: Site,
        letters: DeadLetterBrowser,
        jobs: DeadLetterJobs,
        failures: FailureStores | None,
    ) -> None:
        self._site, self._letters, self._jobs, self._failures = site, letters, jobs, failures

    async def list(self, request: web.Request) -> web.StreamResponse:
        shown = shown_choice(request.query)
        look = await self._letters.look(shown)
        pages = max(1, -(-len(look.rows) // PAGE_ROWS))
        number = min(pages, _number(request.query.get("page", "1")))
        begin = (number - 1) * PAGE_ROWS
        reason, stream = request.query.get("reason", ""), request.query.get("stream")
        return await self._site.page(
            request,
            "dead_letters.html",
            look=look,
            rows=look.rows[begin : begin + PAGE_ROWS],
            first=begin + 1,
            reason=reason,
            stream=stream,
            groups=[
                (one, _link(one.kind.reason, one.kind.data_stream or ""), kind_text(one.kind))
                for one in look.groups
            ],
            newer=_link(reason, stream, number - 1) if number > 1 else None,
            older=_link(reason, stream, number + 1) if number < pages else None,
            ages=AGES,
            progress=progress_of(self._jobs.progress()),
            failures=await self._failure_values(is_first=number == 1 and not (reason or stream)),
        )

    async def _failure_values(self, *, is_first: bool) -> dict[str, Any] | None:
        """Read the failure stores for the first page of all letters, for no other one."""
        look = await self._failures.look() if self._failures is not None and is_first else None
        if look is None:
            return None
        return {"look": look, "rows": [(row, kind_text(row.kind)) for row in look.rows]}

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
        is_purge = request.match_info["what"] == "purge"
        form = await request.post()
        choice = choice_of(form, now=datetime.now(UTC))
        if is_purge and not choice.is_empty and "sure" not in form:
            return await self._ask(request, choice)
        return await self._begin(request, Order("purge" if is_purge else "requeue", choice))

    async def requeue_failures(self, request: web.Request) -> web.StreamResponse:
        choice = choice_of(await request.post(), now=datetime.now(UTC))
        return await self._begin(request, Order("requeue", choice, of="failures"))

    async def _begin(self, request: web.Request, order: Order) -> web.StreamResponse:
        from aiohttp import web

        if order.choice.is_empty:
            thing = "letter" if order.of == "dead_letters" else "document"
            text = f"No {thing} was selected: tick some, or a whole group."
            return await self._site.notice(request, 400, "Nothing selected", text)
        try:
            self._jobs.begin(order)
        except JobRefused as error:
            return await self._site.notice(request, 409, "Not now", str(error))
        self._letters.forget()
        if self._failures is not None:
            self._failures.forget()
        return web.Response(status=303, headers={"Location": HERE})

    async def _ask(self, request: web.Request, choice: LetterFilter) -> web.StreamResponse:
        """Say how many letters a purge would delete, and ask for confirmation."""
        # Letters that are written from now on are not those that were counted.
        choice = structs.replace(choice, before=choice.before or rfc3339(datetime.now(UTC)))
        self._letters.forget()
        look = await self._letters.look(choice)
        return await self._site.page(
            request,
            "dead_letters_purge.html",
            choice=choice,
            look=look,
            rows=look.rows[:EXAMPLES],
            fields=fields_of(choice),
        )

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        text = "This letter is not waiting here: it was requeued or purged, or never existed."
        return await self._site.notice(request, 404, "No such letter", text)


def letters_routes(
    site: Site,
    letters: DeadLetterBrowser,
    jobs: DeadLetterJobs,
    failures: FailureStores | None = None,
) -> list[web.RouteDef]:
    """Return the routes of these pages; ``failures`` where the config has an Elasticsearch."""
    from aiohttp import web

    pages = LettersPages(site, letters, jobs, failures)
    return [
        web.get("/dead-letters", pages.list),
        web.get("/dead-letters/{id:[0-9A-Za-z]+}", pages.show),
        web.get("/dead-letters/{id:[0-9A-Za-z]+}/payload", pages.payload),
        web.post("/dead-letters/{what:requeue|purge}", site.changing(pages.order)),
        web.post("/dead-letters/failures/requeue", site.changing(pages.requeue_failures)),
        *(failure_routes(site, failures) if failures is not None else ()),
    ]


def _link(reason: str, stream: str | None, page: int = 1) -> str:
    """Return the address of a list; ``stream`` None: of any, empty: of none."""
    kept = {
        **({"reason": reason} if reason else {}),
        **({"stream": stream} if stream is not None else {}),
        **({"page": str(page)} if page > 1 else {}),
    }
    return HERE + (f"?{urlencode(kept, errors='replace')}" if kept else "")


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def shown_choice(address: Mapping[str, str]) -> LetterFilter:
    """Return the letters that an address lists."""
    reason, stream = address.get("reason", ""), address.get("stream")
    if reason and stream is not None:
        return LetterFilter(kinds=(LetterKind(reason, stream or None),))
    if reason:
        return LetterFilter(reasons=(reason,))
    return LetterFilter(data_streams=(stream,)) if stream else LetterFilter(everything=True)


def kind_text(kind: LetterKind) -> str:
    """Return a kind as the value of a form's field."""
    return json.dumps(kind)


def kinds_in(texts: Iterable[object]) -> tuple[LetterKind, ...]:
    """Return the kinds that fields of a form name; what is none is left out."""
    found = []
    for text in texts:
        try:
            reason, stream = msgspec.json.decode(str(text), type=tuple[str, str | None])
        except msgspec.MsgspecError:
            continue
        found.append(LetterKind(reason, stream))
    return tuple(found)


def fields_of(choice: LetterFilter) -> list[tuple[str, str]]:
    """Return the fields of a form that select the same letters; names may repeat."""
    return [
        *([("everything", "yes")] if choice.everything else []),
        *(("kind", kind_text(kind)) for kind in choice.kinds),
        *(("id", letter_id) for letter_id in choice.ids),
        *([("before", choice.before)] if choice.before else []),
    ]


def choice_of(form: MultiMapping[Any], *, now: datetime) -> LetterFilter:
    """Return the letters a form means: those ticked, those of the kinds ticked or of the one kind
    whose button was pressed, or every one.

    An unknown age or time chooses nothing, rather than letters of any age.
    """
    ids = tuple(str(value) for value in form.getall("id", ()))
    kinds = kinds_in(form.getall("only", ()) or form.getall("kind", ()))
    everything = "everything" in form and not ids and "only" not in form
    age, before = str(form.get("age", "")), str(form.get("before", "")) or None
    spans = {name: span for name, _, span in AGES}
    if not (ids or kinds or everything) or (age and age not in spans):
        return LetterFilter()
    if before is not None and not RFC3339.fullmatch(before):
        return LetterFilter()
    if age:
        before = min(filter(None, (before, rfc3339(now - spans[age]))))
    return LetterFilter(
        everything=everything, ids=ids, kinds=() if everything else kinds, before=before
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

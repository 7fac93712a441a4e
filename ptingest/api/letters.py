"""Orders for the dead letters and failure stores over HTTP: these and the console's forms are the
only requests that change anything.

    POST /dead-letters/requeue   {"choice": {...}, "seconds": 300, "pid": 4711}  -> 202, or 409
    POST /dead-letters/purge     the same
    POST /failures/requeue       the same for failure stores; "deletes": true deletes from there
    GET  /dead-letters           how far the last order is

An order is one small JSON object, accepted from this host or with the token, and never from a
web page: web pages can reach a loopback port too, but their requests carry an Origin. The
order begins and the answer is sent at once; one order runs at a time. ``pid`` names the server,
so that another server at the same address does not act on its own letters.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Protocol

import msgspec

from ptingest.errors import JobRefused
from ptingest.model.letters import Order

if TYPE_CHECKING:
    from aiohttp import web


class DeadLetterJobs(Protocol):
    """Carries orders out; one process or a supervisor implements it."""

    def begin(self, order: Order) -> dict[str, object]:
        """Begin an order and return `progress`; JobRefused when it cannot begin now."""
        ...

    def progress(self) -> dict[str, object]:
        """How far the last order is, as JSON-ready values."""
        ...


def letter_routes(jobs: DeadLetterJobs, *, is_guarded: bool) -> list[web.RouteDef]:
    """Return the routes; ``is_guarded``: the token was checked already."""
    from aiohttp import web

    async def progress(_: web.Request) -> web.Response:
        return web.json_response(jobs.progress())

    async def order(request: web.Request) -> web.Response:
        refusal = objection(request, is_guarded=is_guarded)
        if refusal is not None:
            status, text = refusal
            return web.json_response({"error": text}, status=status)
        try:
            wanted = read_order(
                await request.read(),
                what=request.match_info["what"],
                of="failures" if request.path.startswith("/failures/") else "dead_letters",
            )
            if wanted.pid not in (None, os.getpid()):
                raise JobRefused(
                    why=f"this is the server with pid {os.getpid()}, not {wanted.pid}: "
                    "another server listens at this address"
                )
            return web.json_response(jobs.begin(wanted), status=202)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return web.json_response({"error": f"the order is not valid: {error}"}, status=400)
        except JobRefused as error:
            return web.json_response({"error": str(error)}, status=409)

    return [
        web.get("/dead-letters", progress),
        web.post("/dead-letters/{what:requeue|purge}", order),
        web.post("/failures/{what:requeue}", order),
    ]


def objection(request: web.Request, *, is_guarded: bool) -> tuple[int, str] | None:
    """Why this request may not change anything, as status and sentence; None if it may."""
    if "Origin" in request.headers:
        return 403, "orders from web pages are refused"
    if request.content_type != "application/json":
        return 415, "an order must be application/json"
    if not is_guarded and not is_loopback(request.remote):
        return 403, "without api.token only this host may send orders"
    return None


def is_loopback(address: str | None) -> bool:
    """Whether a peer is on this host."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def read_order(body: bytes, *, what: str, of: str = "dead_letters") -> Order:
    """Read one order; the path says ``what``, and of what.

    Raises:
        msgspec.DecodeError: it is not an order, selects nothing, or has an unknown key.
        UnicodeDecodeError, RecursionError: it is not UTF-8, or nested too deeply.
    """
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if not fields.keys().isdisjoint(("what", "of")):
        raise msgspec.ValidationError("the action is given by the path, not by the body")
    fields["what"] = msgspec.Raw(msgspec.json.encode(what))
    fields["of"] = msgspec.Raw(msgspec.json.encode(of))
    order = msgspec.json.decode(msgspec.json.encode(fields), type=Order)
    if order.choice.is_empty:
        raise msgspec.ValidationError("it selects no letters: set everything, or give a filter")
    return order

"""The console as a web application: what all its pages share.

    request -> headers -> access policy -> page module -> template

A page module has one function that returns its routes, given this site and the dependencies it
needs, like `ptingest.api.console.overview`. Its handlers call the dependencies, and answer with
``site.page``; handlers that change something are wrapped in ``site.changing``. Everything under
`/console/` is served from here, and no page loads anything from elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from ptingest.api.console.access_policy import (
    FORM_KEY,
    AccessPolicy,
    ConsoleClient,
    address_of,
    is_browser,
    no_change,
    strange_page,
    strange_use,
)
from ptingest.api.console.render import Renderer
from ptingest.errors import PtingestError
from ptingest.settings.api import ApiSettings

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

T = TypeVar("T")

log = logging.getLogger(__name__)

ROOT = "/console"
GLANCE_SECONDS = 0.25
"""How often it is checked whether the client still waits for the answer."""
STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer. Whatever a log line contains, a browser runs and fetches nothing of it."""


class NavigationEntry(NamedTuple):
    """One entry of the navigation."""

    path: str
    """Under `/console`, as `/explore`."""
    title: str


class Site:
    """What a page module is given: pages, and what guards them."""

    def __init__(self, settings: ApiSettings) -> None:
        self.policy = AccessPolicy(settings)
        self.navigation: list[NavigationEntry] = []
        self._renderer = Renderer()
        self._static: dict[str, bytes] = {}
        self._marks: dict[str, str] = {}

    def client(self, request: web.Request) -> ConsoleClient | None:
        """The client of a request; None if it may not see the console."""
        if self.policy.refusal(request) is not None:
            return None
        return self.policy.client(request, time.monotonic())

    async def page(
        self, request: web.Request, template: str, *, status: int = 200, **values: object
    ) -> web.Response:
        """Answer with a template; its ``values`` are text and numbers, never markup.

        A template extends ``base.html``, fills its blocks ``title`` and ``content``, and
        sets its entry in the navigation: ``{% set here = "/explore" %}``.
        """
        from aiohttp import web

        await self._read_static()
        known = self.client(request)
        client = known or ConsoleClient()
        body = await self._renderer.render(
            template,
            {
                "root": ROOT,
                "marks": self._marks,
                "navigation": self.navigation if known else (),
                "may_change": client.may_change,
                "form_key": client.form_key,
                "has_session": client.session is not None,
                **values,
            },
        )
        return web.Response(body=body, status=status, content_type="text/html", charset="utf-8")

    async def notice(
        self, request: web.Request, status: int, title: str, text: str
    ) -> web.Response:
        """Answer with one sentence: what is wrong, and the cure."""
        return await self.page(request, "notice.html", status=status, title=title, text=text)

    def changing(self, handler: Handler) -> Handler:
        """Allow a POST only by a client that may change something, with a form of this console."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            form = await request.post()
            refusal = no_change(
                self.client(request) or ConsoleClient(), str(form.get(FORM_KEY, ""))
            )
            if refusal is not None:
                return await self.notice(request, 403, "Not changed", refusal)
            return await handler(request)

        return guarded

    async def static(self, request: web.Request) -> web.Response:
        """Answer with a static file; these hold no data."""
        from aiohttp import web

        await self._read_static()
        name = request.match_info["name"]
        if name not in self._static:
            raise web.HTTPNotFound
        headers = {
            "Content-Type": _TYPES[Path(name).suffix],
            # The address has the content's digest in it.
            "Cache-Control": "private, max-age=86400",
        }
        return web.Response(body=self._static[name], headers=headers)

    async def _read_static(self) -> None:
        if not self._static:
            self._static = await asyncio.to_thread(_files)
            self._marks = {
                name: hashlib.sha256(body).hexdigest()[:12] for name, body in self._static.items()
            }

    async def close(self, _: object) -> None:
        self._renderer.close()


def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in _TYPES}


def console_app(site: Site, routes: Sequence[web.RouteDef]) -> web.Application:
    """Return the application for everything under `/console/`."""
    from aiohttp import web

    app = web.Application(middlewares=[_with_headers(site), _by_policy(site)])
    app.add_routes(
        [
            web.get("", _to_the_first_page),
            web.get("/static/{name}", site.static, name="static"),
            web.get("/login", _login_page(site)),
            web.post("/login", _log_in(site)),
            web.post("/logout", _log_out(site)),
            *routes,
        ]
    )
    app.on_cleanup.append(site.close)
    return app


async def _to_the_first_page(_: web.Request) -> web.StreamResponse:
    from aiohttp import web

    return web.Response(status=303, headers={"Location": f"{ROOT}/"})


def _with_headers(site: Site) -> Any:
    from aiohttp import web

    @web.middleware
    async def with_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except web.HTTPRedirection as redirection:
            answer = web.Response(status=redirection.status, headers=redirection.headers)
        except web.HTTPException as error:
            answer = await site.notice(request, error.status, error.reason, _sentence(error))
            if error.status == 405:
                answer.headers["Allow"] = error.headers["Allow"]
        except Exception as error:
            if isinstance(error, ConnectionError) and is_gone(request):
                return web.Response(status=499)  # the client is gone
            log.exception("a bug: no page could be made of %s", request.path)
            text = "This page could not be rendered; the server's log says why. The server goes on."
            answer = web.Response(text=text, status=500)
        if not answer.prepared:
            answer.headers.update(HEADERS)
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    return with_headers


def is_gone(request: web.Request) -> bool:
    """Say whether the client has closed the connection."""
    return request.transport is None or request.transport.is_closing()


async def while_waited_for(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``, but stop it when the client has gone away."""
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=GLANCE_SECONDS)
            if done:
                return task.result()
            if is_gone(request):
                raise ConnectionResetError("the client has gone away")
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, PtingestError):
                await task


def _sentence(error: web.HTTPException) -> str:
    return {
        404: "There is no such page here.",
        405: "This path does not allow this method.",
        413: "The request is larger than allowed; send less, or use the command line.",
    }.get(error.status, error.text or error.reason)


def _by_policy(site: Site) -> Any:
    from aiohttp import web

    policy = site.policy

    @web.middleware
    async def by_policy(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route
        if route.name == "static":
            return await handler(request)
        refusal = policy.refusal(request)
        if refusal is None:
            is_reading = request.method in ("GET", "HEAD")
            refusal = strange_use(request) if is_reading else strange_page(request)
        if refusal is not None:
            return await site.notice(request, 403, "Not here", refusal)
        if request.path == f"{ROOT}/login":
            return await handler(request)
        if site.client(request) is None:
            return _login_first(request)
        return await handler(request)

    return by_policy


def _login_first(request: web.Request) -> web.Response:
    from aiohttp import web

    if "Authorization" in request.headers or not is_browser(request):
        text = "log in at /console/login, or send: Authorization: Bearer <api.token>\n"
        return web.Response(text=text, status=401, headers={"WWW-Authenticate": "Bearer"})
    asked = f"?to={quote(request.path_qs)}" if request.method == "GET" else ""
    return web.Response(status=303, headers={"Location": f"{ROOT}/login{asked}"})


def _target(text: str) -> str:
    """Where to go after a login: always a page of this console."""
    is_ours = text.startswith(f"{ROOT}/") and text.isascii() and text.isprintable()
    return text if is_ours and not text.startswith(f"{ROOT}/login") else f"{ROOT}/"


def _login_page(site: Site) -> Handler:
    from aiohttp import web

    async def login_page(request: web.Request) -> web.StreamResponse:
        to = _target(request.query.get("to", ""))
        if site.policy.sessions is None:
            return web.Response(status=303, headers={"Location": to})
        return await site.page(request, "login.html", title="Log in", to=to, trouble="")

    return login_page


def _log_in(site: Site) -> Handler:
    from aiohttp import web

    async def log_in(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        to = _target(str(form.get("to", "")))
        sessions = site.policy.sessions
        if sessions is None:
            return web.Response(status=303, headers={"Location": to})
        now, address = time.monotonic(), address_of(request)
        wait = sessions.wait_seconds(address, now)
        if wait > 0:
            trouble = f"Too many wrong tokens from {address}: try again in {wait:.0f} s."
            answer = await site.page(
                request, "login.html", status=429, title="Log in", to=to, trouble=trouble
            )
            answer.headers["Retry-After"] = f"{wait:.0f}"
            return answer
        session = sessions.log_in(str(form.get("token", "")).strip(), address=address, now=now)
        if session is None:
            log.warning("console: a wrong token from %s", address)
            trouble = "The token is not the one of api.token."
            return await site.page(
                request, "login.html", status=403, title="Log in", to=to, trouble=trouble
            )
        log.info("console: %s logged in", address)
        answer = web.Response(status=303, headers={"Location": to})
        answer.set_cookie(
            site.policy.cookie,
            session.id,
            path=ROOT,
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return answer

    return log_in


def _log_out(site: Site) -> Handler:
    from aiohttp import web

    async def log_out(request: web.Request) -> web.StreamResponse:
        client = site.client(request)
        if client is not None and client.session is not None and site.policy.sessions is not None:
            site.policy.sessions.log_out(client.session)
        answer = web.Response(status=303, headers={"Location": f"{ROOT}/login"})
        answer.del_cookie(site.policy.cookie, path=ROOT)
        return answer

    return log_out

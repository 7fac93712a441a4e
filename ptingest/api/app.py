"""The HTTP port for people and machines that watch: health, metrics, status.

    /livez    200 as long as this process can answer at all
    /readyz   200, or 503 with the reasons, when no new Beat should be sent here
    /metrics  Prometheus text
    /status   everything at once, as JSON
    /  /_node...  /_health_report   Logstash's monitoring paths; see `ptingest.api.logstash`
    /dead-letters   orders from programs; see `ptingest.api.letters`
    /console/       the same and more for people, in a browser; see `ptingest.api.console`

Every answer is made from what is in memory (of all processes, if there are several): a
request that reads starts no work, waits for no sink and is not logged. What a client may use
is bounded: connections (`ptingest.api.connections`), the size of a request, and the time a
connection may be idle or a request incomplete.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ptingest.api.bearer import BearerTokens
from ptingest.api.connections import HttpConnections, listen_on
from ptingest.api.console.access_policy import address_of, is_browser
from ptingest.api.console.pages import Console, ConsoleDependencies
from ptingest.api.gate import HttpLog, RequestGate
from ptingest.api.letters import DeadLetterJobs, letter_routes
from ptingest.api.logstash import LogstashView, NodeFacts, not_found
from ptingest.api.rates import SAMPLE_SECONDS
from ptingest.api.tap import TapService, tap_routes
from ptingest.api.usage import Usage, own_usage
from ptingest.api.view import StatusView
from ptingest.api.why import TraceService, why_routes
from ptingest.model.address import split_listen
from ptingest.settings.api import ApiSettings
from ptingest.telemetry.exposition import CONTENT_TYPE, exposition
from ptingest.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import ssl

    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware
    from pydantic import SecretStr

log = logging.getLogger(__name__)

IDLE_SECONDS = 15.0
"""A connection without a complete request for this long is closed."""
CLOSING_SECONDS = 1.0
"""How long an answer may take when the port closes, and the rest of an unwanted body."""

BODY_SECONDS = 5.0
"""How long the body of a request may take from its head on."""
OPEN_PATH = "/livez"
"""The path without a token: it only says that the process is alive, and probes hold no secret."""

ALWAYS_ANSWERED = frozenset({"/livez", "/readyz"})
"""Answered beyond the limit of requests: a probe without an answer restarts the server."""

BODY_BYTES = 1 << 16
"""The largest body read; only orders have one."""

CONSOLE = "/console/"

PATHS = {
    CONSOLE: "the console, for a browser",
    "/livez": "200 while this process lives",
    "/readyz": "200 when ready for Beats, else 503 with the reasons",
    "/metrics": "Prometheus text",
    "/status": "books, budgets, lanes and connections as JSON",
    "/dead-letters": "how far the last requeue or purge is",
    "/tap": "events as they pass, one JSON object a line",
    "/why": "the trace of one event",
    "/_node": "Logstash's node info",
    "/_node/stats": "Logstash's node stats",
    "/_node/stats/pipelines/main": "Logstash's pipeline stats",
    "/_node/pipelines": "Logstash's pipeline settings",
    "/_health_report": "Logstash's health report",
}


class ApiServer:
    """A listening API; made by `start_api`."""

    def __init__(
        self, connections: HttpConnections, runner: web.AppRunner, sampling: asyncio.Task[None]
    ) -> None:
        self._connections, self._runner, self._sampling = connections, runner, sampling
        self._accepting = asyncio.create_task(connections.run(), name="api connections")
        self.port: int = connections.port

    async def close(self) -> None:
        """Stop listening; answers begun get `CLOSING_SECONDS`."""
        self._accepting.cancel()
        self._connections.close()
        self._sampling.cancel()
        for task in (self._accepting, self._sampling):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._runner.cleanup()


async def start_api(
    settings: ApiSettings,
    *,
    view: StatusView,
    metrics: Metrics,
    node: NodeFacts,
    tls: ssl.SSLContext | None = None,
    jobs: DeadLetterJobs | None = None,
    dependencies: ConsoleDependencies | None = None,
    usage: Callable[[], Usage] = own_usage,
    taps: TapService | None = None,
    why: TraceService | None = None,
) -> ApiServer:
    """Listen as the settings say and return the server; with ``tls`` it speaks https only.

    ``jobs`` requeues and purges dead letters; without it nothing can be changed.
    ``dependencies`` is what the console shows beyond the status. ``usage`` returns what all
    processes of this server use. ``taps`` shows events as they pass, ``why`` returns the trace
    of one.

    Raises:
        OSError: the address cannot be bound; its text names it.
    """
    logstash = LogstashView(
        node, metrics, view.readiness, http_address=settings.listen, usage=usage
    )
    gate = RequestGate(settings, always=ALWAYS_ANSWERED, body_seconds=BODY_SECONDS)
    passes = [_refuse_in_words(), gate.middleware(), *_ask_for(settings.token)]
    app = _build_app(view, metrics, logstash, passes)
    app.add_routes(_service_routes(jobs, taps, why, is_guarded=settings.token is not None))
    console = Console(settings, view, metrics, dependencies or ConsoleDependencies(), jobs, why)
    app.add_subapp(CONSOLE.rstrip("/"), console.app)
    runner = _runner(app)
    await runner.setup()
    host, port = split_listen(settings.listen)
    try:
        listeners = listen_on(host, port)
    except OSError as error:
        await runner.cleanup()
        text = f"api.listen {settings.listen}: {error.strerror or error}"
        raise OSError(error.errno, text) from error
    assert runner.server is not None
    gate.connections = connections = HttpConnections(listeners, runner.server, tls=tls)
    sampling = asyncio.create_task(_sample(view, logstash, console), name="api samples")
    api = ApiServer(connections, runner, sampling)
    logstash.http_address = f"{host}:{api.port}"
    return api


def _service_routes(
    jobs: DeadLetterJobs | None,
    taps: TapService | None,
    why: TraceService | None,
    *,
    is_guarded: bool,
) -> list[web.RouteDef]:
    """Routes of the services that are there."""
    routes: list[web.RouteDef] = []
    if jobs is not None:
        routes += letter_routes(jobs, is_guarded=is_guarded)
    if taps is not None:
        routes += tap_routes(taps, is_guarded=is_guarded)
    if why is not None:
        routes += why_routes(why, is_guarded=is_guarded)
    return routes


def _runner(app: web.Application) -> web.AppRunner:
    # A third of a second to import, so only where it is used.
    from aiohttp import web

    return web.AppRunner(
        app,
        access_log=None,
        logger=HttpLog(),
        auto_decompress=False,  # bodies are small, and a compressed one is never inflated
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=CLOSING_SECONDS,
        shutdown_timeout=CLOSING_SECONDS,
    )


async def _sample(view: StatusView, logstash: LogstashView, console: Console) -> None:
    while True:
        await _sample_once(view, console.sample)  # at the start, too: a rate needs a beginning
        await asyncio.sleep(SAMPLE_SECONDS)
        await _sample_once(view, logstash.sample)


async def _sample_once(view: StatusView, sample: Callable[[], None]) -> None:
    try:
        await view.refresh()
        sample()
    except OSError as error:
        # /proc is read for it, and there may be no descriptor left: no reason to end.
        log.warning("a sample for charts and rates is missing: %s", error)


def _json_answer(request: web.Request, body: object, status: int = 200) -> web.Response:
    import orjson
    from aiohttp import web

    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    if "pretty" in request.query:
        option |= orjson.OPT_INDENT_2
    data = orjson.dumps(body, option=option)
    return web.Response(body=data, status=status, content_type="application/json")


def _build_app(
    view: StatusView, metrics: Metrics, logstash: LogstashView, middlewares: Sequence[Middleware]
) -> web.Application:
    from aiohttp import web

    async def live(request: web.Request) -> web.Response:
        return _json_answer(request, {"live": True})

    async def ready(request: web.Request) -> web.Response:
        await view.refresh()
        answer = {"ready": not (reasons := view.readiness()), "reasons": reasons}
        return _json_answer(request, answer, 503 if reasons else 200)

    async def scrape(_: web.Request) -> web.Response:
        await view.refresh()
        return web.Response(body=exposition(metrics), headers={"Content-Type": CONTENT_TYPE})

    async def status(request: web.Request) -> web.Response:
        await view.refresh()
        return _json_answer(request, view.status())

    def as_logstash(answer: Callable[[], object]) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            await view.refresh()
            metrics.refresh()
            return _json_answer(request, answer())

        return handler

    app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES)
    ours: dict[str, Handler] = {
        "/livez": live, "/readyz": ready, "/metrics": scrape, "/status": status,
        "/": _or_the_console(as_logstash(lambda: logstash.root(PATHS))),
    }  # fmt: skip
    theirs = {path: as_logstash(answer) for path, answer in logstash.paths().items()}
    routes = {**ours, **theirs, "/_node/{rest:.*}": _below_node(view, metrics, logstash)}
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    return app


def _below_node(view: StatusView, metrics: Metrics, logstash: LogstashView) -> Handler:
    """Answer Logstash's paths that choose parts, and its 404 where it has nothing."""

    async def handler(request: web.Request) -> web.Response:
        await view.refresh()
        metrics.refresh()
        answer = logstash.below_node(request.match_info["rest"])
        if answer is None:
            return _json_answer(request, not_found(request.path), 404)
        return _json_answer(request, answer)

    return handler


def _or_the_console(answer: Handler) -> Handler:
    """Redirect browsers to the console; answer all other clients."""
    from aiohttp import web

    async def handler(request: web.Request) -> web.StreamResponse:
        if is_browser(request):
            return web.Response(status=303, headers={"Location": CONSOLE})
        return await answer(request)

    return handler


def _is_for_people(request: web.Request) -> bool:
    """Say whether the console's access policy decides about a request, not the token check."""
    path = request.path
    return f"{path}/".startswith(CONSOLE) or (path == "/" and is_browser(request))


def _ask_for(token: SecretStr | None) -> list[Middleware]:
    """Require the token for every path but `/livez`."""
    if token is None:
        return []
    from aiohttp import web

    tokens = BearerTokens(token)

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "")
        is_try = shown.startswith("Bearer ") or not _is_for_people(request)
        if request.path == OPEN_PATH or not is_try:
            return await handler(request)
        now, address = time.monotonic(), address_of(request)
        if tokens.is_right(shown, address=address, now=now):
            return await handler(request)
        if shown and (wait := tokens.wait_seconds(address, now)) > 0:
            text = f"too many wrong tokens from {address}: wait {wait:.0f} s\n"
            return web.Response(text=text, status=429, headers={"Retry-After": f"{wait:.0f}"})
        text = "send the token of api.token as: Authorization: Bearer <token>\n"
        return web.Response(text=text, status=401, headers={"WWW-Authenticate": "Bearer"})

    return [ask]


def _refuse_in_words() -> Middleware:
    from aiohttp import web

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            text = f"no such path; there are: / {' '.join(PATHS)}\n"
            return web.Response(text=text, status=404)
        except web.HTTPMethodNotAllowed:
            text = "only GET and HEAD are allowed on this path\n"
            return web.Response(text=text, status=405, headers={"Allow": "GET, HEAD"})
        except web.HTTPRequestEntityTooLarge:
            text = f"the request body is larger than the limit of {BODY_BYTES} bytes\n"
            return web.Response(text=text, status=413)

    return refuse

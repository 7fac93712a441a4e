"""What every HTTP request passes before it is answered: host, body, limit of requests.

host     without a token on loopback, a request must name this host: another web site can make
         its own name point at 127.0.0.1, but it cannot use our name
body     read completely, within seconds, before the request is processed
limit    so many requests are processed at once; see `ptingest.api.connections`
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from ptingest.api.access import STRANGE_HOST
from ptingest.api.connections import HttpConnections
from ptingest.model.address import is_loopback_host, split_listen, without_port
from ptingest.settings.api import ApiSettings

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

log = logging.getLogger(__name__)

BUSY = "too many requests at once; try again in a second\n"


class RequestGate:
    """Decides about every request of one port; ``connections`` is set when the port is open."""

    connections: HttpConnections

    def __init__(
        self, settings: ApiSettings, *, always: frozenset[str], body_seconds: float
    ) -> None:
        self._checks_host = settings.token is None and is_loopback_host(
            split_listen(settings.listen)[0]
        )
        self._always, self._body_seconds = always, body_seconds

    def middleware(self) -> Middleware:
        from aiohttp import web

        @web.middleware
        async def pass_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if (refused := self._refusal(request)) is None:
                refused = await self._late_body(request)
            if refused is not None:
                status, text = refused
                response = web.json_response({"error": text}, status=status)
                response.force_close()
                return response
            async with self.connections.working(request.protocol) as may_work:
                if may_work or request.path in self._always:
                    return await handler(request)
            return web.Response(text=BUSY, status=503, headers={"Retry-After": "1"})

        return pass_gate

    def _refusal(self, request: web.Request) -> tuple[int, str] | None:
        host = request.headers.get("Host")
        if self._checks_host and host is not None and not is_loopback_host(without_port(host)):
            return 403, STRANGE_HOST.format(host=host)
        return None

    async def _late_body(self, request: web.Request) -> tuple[int, str] | None:
        """Read the body if there is one; return a refusal if it does not come in time."""
        from aiohttp.web import RequestPayloadError

        is_wanted = request.method == "POST" and request.match_info.http_exception is None
        if not (is_wanted and request.can_read_body):
            return None
        if request.content_type.startswith("multipart/"):
            return 415, "multipart forms are not accepted; send application/x-www-form-urlencoded"
        try:
            async with asyncio.timeout(self._body_seconds):
                await request.read()
        except TimeoutError:
            return 408, f"the body did not arrive within {self._body_seconds:g} s"
        except RequestPayloadError as error:
            return 400, f"the body is not valid: {error}"
        except ConnectionError:
            return 400, "the client has disconnected"
        return None


class HttpLog(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp says: a client's broken HTTP in one quiet line, all else as it is."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger("aiohttp.server"))

    def exception(self, msg: object, *args: object, **more: Any) -> None:
        from aiohttp.http_exceptions import HttpProcessingError
        from aiohttp.web import RequestPayloadError

        error = more.get("exc_info")
        if isinstance(error, HttpProcessingError | RequestPayloadError):
            said = str(getattr(error, "message", error)).strip().partition("\n")[0]
            log.info("%s: not HTTP, or broken: %s", args[0] if args else "a client", said[:200])
            return
        self.logger.error(msg, *args, exc_info=error)

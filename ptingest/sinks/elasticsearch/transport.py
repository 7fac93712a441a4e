"""The official client's hosts and their connections, without serialisation and redirects.

Importing this module imports the client library, which takes most of a second: only
``client.py`` does, late and in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import elastic_transport
from elastic_transport import (
    AiohttpHttpNode,
    ApiResponseMeta,
    AsyncTransport,
    BaseNode,
    NodeConfig,
    NodePool,
)
from elastic_transport._node import NodeApiResponse
from elasticsearch import AsyncElasticsearch

from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.answer_memory import AnswerMemory, AnswerTooLarge

REST_SECONDS, LONGEST_REST_SECONDS = 10.0, 60.0
"""A host that failed is left alone for so long while others answer; each further time twice as
long, up to the second."""
SILENT_SECONDS = 5.0
"""After so long without an answer a host among others is asked whether it answers at all."""
LIVE_STATUSES = (400, 401, 402, 403, 404, 409)
"""Beside those of success, the statuses by which a host shows that it works, as in the library."""

log = logging.getLogger(__name__)

Asked = AbstractAsyncContextManager[aiohttp.ClientResponse]
Exchanged = tuple[aiohttp.ClientResponse, bytes]


class QuietNode(AiohttpHttpNode):
    """One host: no redirect is followed, no answer read without end, nothing logged.

    The original follows redirects with login and body, reads whatever comes, and decodes
    both bodies of every request as soon as any handler is installed, whatever the level.
    """

    memory: AnswerMemory
    """One for all hosts of a client."""
    pool: NodePool
    """All hosts of a client."""
    refused: int | None = None
    """The status of the last answer, if by that the host takes nothing from us."""

    async def perform_request(  # type: ignore[override]
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | None = None,
    ) -> NodeApiResponse:
        """Send one request and return its answer, whatever its status.

        Raises:
            elastic_transport.TransportError: no whole answer came; its message says why.
        """
        if self.session is None:
            self._create_aiohttp_session()
        assert self.session is not None
        self.refused, began = None, time.monotonic()
        asked = self.session.request(
            method,
            self.base_url + target,
            data=body or None,
            headers=headers,  # the session adds those of the host
            timeout=aiohttp.ClientTimeout(total=request_timeout),
            allow_redirects=False,
        )
        try:
            if len(self.pool) > 1:
                response, found = await self._while_it_answers(self._exchange(asked))
            else:
                response, found = await self._exchange(asked)
        except asyncio.CancelledError:
            # Whoever gave up had a shorter limit than ours: of a host that hangs the library
            # would learn nothing, and write to it again at once.
            self.pool.mark_dead(self)
            raise
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise elastic_transport.ConnectionTimeout("no answer in time") from error
        except (aiohttp.ClientError, OSError, AnswerTooLarge) as error:
            raise _failure(error) from error
        self.refused = response.status if refuses(response.status, target) else None
        took = time.monotonic() - began
        # HttpHeaders would copy them, one call for each.
        received: Any = response.headers
        meta = ApiResponseMeta(response.status, "1.1", received, took, self.config)
        return NodeApiResponse(meta, found)

    async def _exchange(self, asked: Asked) -> Exchanged:
        async with asked as response:
            return response, await self.memory.read(response)

    async def _while_it_answers(self, exchange: Coroutine[Any, Any, Exchanged]) -> Exchanged:
        """Wait for an answer while the host answers something: a write may take its time.

        A host that hangs would hold what was sent to it for the whole of the request's time,
        and with it each Beat whose windows wait for that, while other hosts have nothing to do.
        """
        answering = asyncio.ensure_future(exchange)
        try:
            while not (await asyncio.wait([answering], timeout=SILENT_SECONDS))[0]:
                if not await self._answers() and not answering.done():
                    silent = f"{self.base_url} answers nothing, not even GET /"
                    raise aiohttp.ServerDisconnectedError(silent)
            return await answering
        finally:
            if answering.cancel():
                await asyncio.wait([answering])

    async def _answers(self) -> bool:
        """Say whether the host answers a request that costs nothing; any status will do."""
        assert self.session is not None
        limit = aiohttp.ClientTimeout(total=SILENT_SECONDS)
        try:
            async with self.session.get(self.base_url + "/", timeout=limit, allow_redirects=False):
                return True
        except (TimeoutError, OSError, aiohttp.ClientError):
            return False


def refuses(status: int, target: str) -> bool:
    """Whether an answer says that its host takes nothing from us, whatever is sent.

    A 403 says it of a bulk alone: what else is asked may be what our user has no right to.
    """
    return status in (401, 502, 503, 504) or (status == 403 and "_bulk" in target)


class HostPool(NodePool):
    """Hosts that take turns; one that failed or refuses rests while others answer.

    Where all of them rest the library takes them one by one all the same.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._resting: set[NodeConfig] = set()
        self._told: set[NodeConfig] = set()

    def mark_dead(self, node: BaseNode, _now: float | None = None) -> None:
        """Let a host rest, once for all requests that fail together."""
        if node.config in self._resting:
            return
        self._resting.add(node.config)
        super().mark_dead(node, _now)
        refused = node.refused if isinstance(node, QuietNode) else None
        if refused is not None and len(self) > 1 and node.config not in self._told:
            self._told.add(node.config)
            log.warning(
                "%s answers %d: it rests while other hosts answer, and is tried again within %d s",
                *(node.base_url, refused, LONGEST_REST_SECONDS),
            )

    def mark_live(self, node: BaseNode) -> None:
        """Take a host back; the library calls this for each 401 and 403, too."""
        if isinstance(node, QuietNode) and node.refused is not None:
            self.mark_dead(node)
            return
        self._resting.discard(node.config)
        self._told.discard(node.config)
        super().mark_live(node)

    def resurrect(self, force: bool = False) -> BaseNode | None:  # type: ignore[override]
        """Return a host whose rest is over, if there is one; with ``force`` any."""
        node: BaseNode | None = super().resurrect(force)  # type: ignore[call-overload]
        if node is not None:
            self._resting.discard(node.config)
        return node


def _failure(error: Exception) -> elastic_transport.TransportError:
    """Tell trouble with TLS from all else; a missing certificate is refused after a handshake."""
    tls = (ssl.SSLError, aiohttp.ClientSSLError)
    if isinstance(error, tls) or isinstance(error.__cause__, ssl.SSLError):
        return elastic_transport.TlsError(str(error))
    return elastic_transport.ConnectionError(_words(error))


def _words(error: Exception) -> str:
    """Say why there was no answer, the library's own words only where it alone knows."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        # Numbers below 0 are those of name resolution.
        has_number = cause.errno is not None and cause.errno > 0
        why = os.strerror(cause.errno or 0) if has_number else cause.strerror
        return f"cannot connect to {error.host}:{error.port}: {why or cause}"
    return str(error) or type(error).__name__


class PlainTransport(AsyncTransport):
    """Sends each request once, to the host whose turn it is, and gives what it answers.

    The original also serialises bodies, decodes answers, looks for further hosts and writes log
    lines, and it sends again: of a lost answer that would be a duplicate that is not counted.
    """

    async def perform_request(  # type: ignore[override]
        self,
        method: str,
        target: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | None = None,
    ) -> NodeApiResponse:
        """Raise what `QuietNode.perform_request` raises; a host that fails rests."""
        node: Any = self.node_pool.get()
        try:
            answer: NodeApiResponse = await node.perform_request(
                method, target, body, headers, request_timeout
            )
        except elastic_transport.TransportError:
            self.node_pool.mark_dead(node)
            raise
        status = answer.meta.status
        if 200 <= status < 300 or status in LIVE_STATUSES:
            self.node_pool.mark_live(node)
        else:
            self.node_pool.mark_dead(node)
        return answer


def make_transport(
    settings: ClusterSettings, urls: Sequence[str], context: ssl.SSLContext | None
) -> PlainTransport:
    """Return connections to all hosts, none of them opened yet."""
    # The pool would tell of each failure of a host; the sink's trouble does already.
    logging.getLogger("elastic_transport.node_pool").setLevel(logging.CRITICAL)
    memory = AnswerMemory()
    node_class = type("Node", (QuietNode,), {"memory": memory})
    options: dict[str, Any] = {} if context is None else {"ssl_context": context}
    client = AsyncElasticsearch(
        list(urls),
        node_class=node_class,
        node_pool_class=HostPool,
        connections_per_node=settings.concurrency + 2,
        dead_node_backoff_factor=REST_SECONDS,
        max_dead_node_backoff=LONGEST_REST_SECONDS,
        transport_class=PlainTransport,
        **options,
    )
    node_class.pool = client.transport.node_pool  # type: ignore[attr-defined]
    assert isinstance(client.transport, PlainTransport)
    return client.transport

"""Sends a request to one of several hosts of a cluster, and returns what came back.

A request always ends in an ``Answer``: a status with headers and raw body, or the reason why
there is none. Nothing is retried or interpreted here, no redirect is followed, and no answer
is read beyond ``answer_memory.ANSWER_BYTES``.

Elastic's official client is used for its connection pool (round robin, failed hosts pause),
through its transport, which OpenSearch takes as well: its own ``perform_request`` would check the
product only once, raise on every status and turn ``Warning`` headers into Python's. It
is imported in a thread at the first request, since that takes most of a second.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from isal import isal_zlib

from ptingest.errors import SinkUnavailable
from ptingest.model.contracts import Checkpoint
from ptingest.model.redirect import is_redirect, redirect_sentence, url_of
from ptingest.settings.sinks import ClusterSettings, ElasticsearchSettings
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.answer_memory import AnswerTooLarge
from ptingest.sinks.elasticsearch.dialect import Dialect, dialect_of
from ptingest.sinks.elasticsearch.tls import tls_context

if TYPE_CHECKING:
    import ssl

    from elastic_transport import ApiResponseMeta, TransportError

    from ptingest.sinks.elasticsearch.transport import PlainTransport

GZIP_LEVEL = 1
"""Measured on our documents: level 3 takes four times as long for the same size."""
GZIP_WBITS = 31
CHEAPER = 4
"""How many times less joining and compressing costs than the pipeline, for each byte."""
COMPRESS_FROM_BYTES = 1024
"""A smaller body is not compressed: the header costs more than it saves."""


class _Body(io.BytesIO):
    """A body that aiohttp reads only once it has a connection."""

    is_begun = False
    """Whether some of it may have left this machine."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes to be sent."""
        self.is_begun = True
        return super().read(size)


class ElasticsearchClient:
    """Connections to one cluster; opened by the first request, shared by all."""

    def __init__(self, settings: ClusterSettings, checkpoint: Checkpoint | None = None) -> None:
        """Without a ``checkpoint`` bodies are compressed in one go."""
        self.dialect = dialect_of(settings)
        self._settings = settings
        self._checkpoint = checkpoint
        self._opening = asyncio.Lock()
        self._transport: PlainTransport | None = None
        self._headers = {"accept": self.dialect.json}
        authorization = _authorization(settings)
        if authorization is not None:
            self._headers["authorization"] = authorization
        self.sent_bytes = 0
        """Body bytes handed to a connection, compressed where we compress."""

    async def request(
        self,
        method: str,
        target: str,
        body: bytes | Iterator[bytes] | None = None,
        *,
        is_ndjson: bool = False,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request to the next live host and return what came back.

        A body may come in pieces; where the first is small it is not compressed. ``seconds``:
        how long the answer may take, instead of ``request_seconds``.
        """
        headers = dict(self._headers)
        data: bytes = b""
        sent: _Body | None = None
        if body is not None:
            headers["content-type"] = self.dialect.ndjson if is_ndjson else self.dialect.json
            pieces = iter((body,)) if isinstance(body, bytes) else body
            data = await self._encoded(pieces, headers)
            sent = _Body(data)
        try:
            transport = self._transport or await self._open()
        except SinkUnavailable as error:
            return Answer(None, failure=str(error), never_sent=True, dialect=self.dialect)
        self.sent_bytes += len(data)
        answer = await self._perform(transport, method, target, sent, headers, seconds)
        if answer.status is None and sent is not None and not sent.is_begun:
            # Connection refused, unknown host, TLS failure, connection timeout: all before the
            # first byte of the body.
            return answer._replace(never_sent=True)
        return answer

    async def _encoded(self, pieces: Iterator[bytes], headers: dict[str, str]) -> bytes:
        """Join the pieces, compressed where that is worth a header.

        Runs on the loop on purpose, since a thread would compete for the GIL at every piece;
        with checkpoints, since 5 MB take 10 to 20 ms.
        """
        first = next(pieces)
        if not self._settings.compress or len(first) < COMPRESS_FROM_BYTES:
            return b"".join((first, *pieces))
        headers["content-encoding"] = "gzip"
        compressor = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, GZIP_WBITS)
        parts = []
        for piece in itertools.chain((first,), pieces):
            if self._checkpoint is not None:
                await self._checkpoint(len(piece) // CHEAPER)
            parts.append(compressor.compress(piece))
        return b"".join((*parts, compressor.flush()))

    async def close(self) -> None:
        """Close every connection; a later request would open them again."""
        async with self._opening:
            transport, self._transport = self._transport, None
            if transport is not None:
                await transport.close()

    async def _perform(
        self,
        transport: PlainTransport,
        method: str,
        target: str,
        body: _Body | None,
        headers: dict[str, str],
        seconds: float | None,
    ) -> Answer:
        import elastic_transport

        limit = self._settings.request_seconds if seconds is None else seconds
        try:
            response = await transport.perform_request(
                method,
                target,
                body=body,
                headers=headers,
                request_timeout=limit,
            )
        except elastic_transport.ConnectionTimeout:
            setting = f" ({self.dialect.place}.request_seconds)" if seconds is None else ""
            failure = f"no answer from {self._hosts()} within {limit:g} s{setting}"
            return Answer(None, failure=failure, dialect=self.dialect)
        except elastic_transport.TransportError as error:
            return self._unanswered(error)
        answer = _answer_of(self.dialect, response.meta, response.body, target)
        return (
            answer if len(self._settings.hosts) == 1 else answer._replace(host=_url(response.meta))
        )

    def _unanswered(self, error: TransportError) -> Answer:
        from elastic_transport import TlsError

        # aiohttp writes "ssl:default" where no TLS is meant at all.
        what = error.message.replace(" ssl:default", "")
        if isinstance(error, TlsError):
            return Answer(None, failure=self._tls_failure(what), dialect=self.dialect)
        # A host of TLS 1.3 refuses our certificate only after the handshake, and of its
        # alert no more than this arrives here.
        hint = self._shown() if what == "Server disconnected" else ""
        return Answer(
            None,
            failure=f"no answer from {self._hosts()}: {what}{hint}",
            too_large=isinstance(error.__cause__, AnswerTooLarge),
            dialect=self.dialect,
        )

    async def _open(self) -> PlainTransport:
        async with self._opening:
            if self._transport is None:
                # Once each: the pool does not take the same host twice.
                urls = list(dict.fromkeys(with_port(host) for host in self._settings.hosts))
                context = await asyncio.to_thread(tls_context, self._settings, urls)
                self._transport = await asyncio.to_thread(_transport, self._settings, urls, context)
                # What the import made stays until the end, some 40,000 objects: a full round of
                # the garbage collector through them would stop the loop for 30 ms.
                gc.freeze()
            return self._transport

    def _hosts(self) -> str:
        return ", ".join(self._settings.hosts)

    def _tls_failure(self, reason: str) -> str:
        settings, place = self._settings, self.dialect.place
        if settings.ca_file is not None:
            trusted = f"{place}.ca_file {settings.ca_file}"
        elif settings.fingerprint is not None:
            trusted = f"{place}.fingerprint"
        else:
            trusted = f"the system's authorities; name yours in {place}.ca_file"
        what = f"{reason} (checked against {trusted}{self._shown()})"
        return f"TLS with {self._hosts()} failed: {what}"

    def _shown(self) -> str:
        """A hint at our own certificate, where TLS is spoken at all."""
        certificate = self._settings.certificate
        if not any(host.startswith("https://") for host in self._settings.hosts):
            return ""
        setting = f"{self.dialect.place}.certificate"
        if certificate is None:
            return f"; we show no certificate ({setting}), is one wanted?"
        return f"; we show {setting} {certificate}, is it refused?"


def _transport(
    settings: ClusterSettings, urls: list[str], context: ssl.SSLContext | None
) -> PlainTransport:
    """Import the client library and build its transport; runs in a thread."""
    from ptingest.sinks.elasticsearch.transport import make_transport

    return make_transport(settings, urls, context)


def _answer_of(dialect: Dialect, meta: ApiResponseMeta, body: bytes | None, target: str) -> Answer:
    found = {name.lower(): value for name, value in meta.headers.items()}
    failure = ""
    if is_redirect(meta.status):
        failure = redirect_sentence(
            meta.status,
            found.get("location"),
            url=_url(meta),
            target=target,
            setting=f"{dialect.place}.hosts",
        )
    return Answer(meta.status, found, body or b"", failure, dialect=dialect)


def _url(meta: ApiResponseMeta) -> str:
    node = meta.node
    return url_of(node.scheme, node.host, node.port) + node.path_prefix


def with_port(host: str) -> str:
    """Return the URL with the port that every Elastic tool assumes where none is given."""
    url = host.rstrip("/")
    if urlsplit(url).port is not None:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc}:9200").geturl()


def _authorization(settings: ClusterSettings) -> str | None:
    if isinstance(settings, ElasticsearchSettings) and settings.api_key is not None:
        key = settings.api_key.get_secret_value()
        if ":" in key:
            key = base64.b64encode(key.encode()).decode()
        return f"ApiKey {key}"
    if settings.username is not None and settings.password is not None:
        pair = f"{settings.username}:{settings.password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None

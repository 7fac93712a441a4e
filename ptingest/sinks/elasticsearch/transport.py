"""The official client's transport, taught to leave bodies alone.

Importing this module imports the client library, which takes most of a second: only
``client.py`` does, late and in a thread.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from typing import Any

from elastic_transport import AiohttpHttpNode, AsyncTransport, Serializer
from elasticsearch import AsyncElasticsearch

from ptingest.settings.sinks import ElasticsearchSettings

LONGEST_REST_SECONDS = 10.0
"""A host that failed is left alone for at most this long while others answer."""
MIMETYPES = (
    "application/json",
    "application/vnd.elasticsearch+json",
    "application/x-ndjson",
    "application/vnd.elasticsearch+x-ndjson",
    "application/*",
    "text/*",
)
"""What the library would decode; wildcards catch what stands between and answers."""


class QuietNode(AiohttpHttpNode):
    """Keeps documents out of the log, and the time it takes to write them there.

    The original decodes both bodies of every request as soon as any handler is
    installed, whatever the level.
    """

    def _log_request(self, *_: object, **__: object) -> None:
        return None


class RawBytes(Serializer):
    """Takes and gives bodies as they are, whatever they claim to be."""

    def loads(self, data: bytes) -> bytes:
        """Return the answer's bytes."""
        return data

    def dumps(self, data: Any) -> Any:
        """Return the request's body, bytes or a file-like object."""
        return data


def make_transport(
    settings: ElasticsearchSettings, urls: Sequence[str], context: ssl.SSLContext | None
) -> AsyncTransport:
    """Return connections to all hosts, none of them opened yet."""
    # The pool would tell of each failure of a host; the sink's trouble does already.
    logging.getLogger("elastic_transport.node_pool").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {} if context is None else {"ssl_context": context}
    client = AsyncElasticsearch(
        list(urls),
        node_class=QuietNode,
        connections_per_node=settings.concurrency + 2,
        max_dead_node_backoff=LONGEST_REST_SECONDS,
        serializers=dict.fromkeys(MIMETYPES, RawBytes()),
        **options,
    )
    return client.transport

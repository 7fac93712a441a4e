from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator
from typing import Any

import elastic_transport
import pytest
from elastic_transport import AsyncTransport

from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch.transport import make_transport
from tests.fakes.elasticsearch import FakeElasticsearch

NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"


@pytest.fixture
async def es() -> AsyncIterator[FakeElasticsearch]:
    async with FakeElasticsearch() as node:
        yield node


@pytest.fixture
async def transport(es: FakeElasticsearch) -> AsyncIterator[AsyncTransport]:
    made = make_transport(ElasticsearchSettings(hosts=(es.url,)), [es.url], None)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "mimetype", ["application/json", NDJSON, "text/html; charset=utf-8", "application/xml", None]
)
async def test_bodies_pass_as_they_are(transport: AsyncTransport, mimetype: str | None) -> None:
    body: Any = io.BytesIO(b"file-like")

    assert transport.serializers.loads(b"not { json", mimetype) == b"not { json"
    assert transport.serializers.dumps(b"no newline", mimetype) == b"no newline"
    assert transport.serializers.dumps(body, mimetype) is body


async def test_bodies_are_never_written_out_to_a_log(
    transport: AsyncTransport, es: FakeElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = b'{"create":{"_index":"logs-django-pt"}}\n{"secret":1}\n'

    response = await transport.perform_request(
        "POST", "/_bulk", body=body, headers={"content-type": NDJSON}
    )

    assert response.meta.status == 200
    assert "secret" not in caplog.text
    assert "errors" not in caplog.text


async def test_a_failing_host_is_not_told_twice(
    transport: AsyncTransport, es: FakeElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await es.stop()

    with pytest.raises(elastic_transport.ConnectionError, match="Connection error"):
        await transport.perform_request("GET", "/", max_retries=0)

    assert not caplog.records

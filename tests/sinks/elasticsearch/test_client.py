from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import ValidationError

from ptingest.server.event_loop.fair_share import FairShare
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch.client import ElasticsearchClient, with_port
from tests.fakes.elasticsearch import FakeElasticsearch, Reply
from tests.fakes.http_stub import HttpStub
from tests.support.tcp import tcp_server

BODY = b'{"create":{"_index":"logs-django-pt"}}\n{"number":1}\n'


@pytest.fixture
async def es() -> AsyncIterator[FakeElasticsearch]:
    async with FakeElasticsearch() as node:
        yield node


def client_for(*urls: str, **settings: object) -> ElasticsearchClient:
    return ElasticsearchClient(ElasticsearchSettings.model_validate({"hosts": urls, **settings}))


def large_body(count: int) -> bytes:
    return b"".join(
        b'{"create":{"_index":"logs-django-pt"}}\n{"n":"%d%b"}\n' % (n, b"x" * 1000)
        for n in range(count)
    )


async def test_the_answer_is_handed_over_raw(es: FakeElasticsearch) -> None:
    client = client_for(es.url)
    es.script(Reply(body=b"not json at all", headers={"Retry-After": "3"}))

    answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert (answer.status, answer.body) == (200, b"not json at all")
    assert answer.headers["retry-after"] == "3"
    assert answer.is_from_cluster


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/html", "application/xml", "text/plain; charset=x"]
)
async def test_no_content_type_keeps_an_answer_from_coming(
    es: FakeElasticsearch, content_type: str
) -> None:
    client = client_for(es.url)
    es.script(Reply(status=503, body=b"<html>", headers={"content-type": content_type}))

    answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert (answer.status, answer.body) == (503, b"<html>")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 413, 429, 500, 502, 503, 504])
async def test_nothing_is_ever_sent_twice(es: FakeElasticsearch, status: int) -> None:
    client = client_for(es.url)
    es.script(Reply(status=status, product=False))

    answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert answer.status == status
    assert len(es.requests) == 1


@pytest.mark.parametrize("then", ["drop", "reset"])
async def test_a_connection_that_breaks_is_no_answer_and_no_second_attempt(
    es: FakeElasticsearch, then: str
) -> None:
    client = client_for(es.url)
    # The second request runs on a connection that served before: the tempting one.
    es.script(Reply(), Reply(then="drop" if then == "drop" else "reset"))

    first = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    second = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert first.status == 200
    assert second.status is None
    assert f"no answer from {es.url}" in second.failure
    assert len(es.requests) == 2


async def test_a_node_that_keeps_silent_is_given_up_in_time(es: FakeElasticsearch) -> None:
    client = client_for(es.url, request_seconds=0.05)
    es.script(Reply(delay_seconds=60))

    answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert answer.status is None
    assert "within 0.05 s (sinks.elasticsearch.request_seconds)" in answer.failure


async def test_bodies_are_compressed_unless_they_are_small_or_told_not_to(
    es: FakeElasticsearch,
) -> None:
    squeezing, plain = client_for(es.url), client_for(es.url, compress=False)
    body = large_body(5)

    for client, sent in ((squeezing, body), (squeezing, BODY), (plain, body)):
        await client.request("POST", "/_bulk", sent, is_ndjson=True)
    await squeezing.close()
    await plain.close()

    assert [request.body for request in es.requests] == [body, BODY, body]
    encodings = [request.headers.get("content-encoding") for request in es.requests]
    assert encodings == ["gzip", None, None]
    assert es.requests[0].wire_bytes < len(body) / 5
    assert squeezing.sent_bytes == es.requests[0].wire_bytes + len(BODY)


async def test_the_loop_goes_on_while_a_large_body_is_compressed(es: FakeElasticsearch) -> None:
    settings = ElasticsearchSettings.model_validate({"hosts": [es.url]})
    client = ElasticsearchClient(settings, FairShare())
    turns = [0]
    seen: list[int] = []

    async def count_turns() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)  # no race: counts turns of the loop

    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            seen.append(turns[0])
            yield large_body(500)

    counting = asyncio.create_task(count_turns())
    answer = await client.request("POST", "/_bulk", pieces(), is_ndjson=True)
    counting.cancel()
    await client.close()

    assert answer.status == 200
    assert seen[-1] - seen[0] >= 3


async def test_a_body_of_megabytes_is_sent_without_a_warning(es: FakeElasticsearch) -> None:
    client = client_for(es.url, compress=False)
    body = large_body(3000)

    answer = await client.request("POST", "/_bulk", body, is_ndjson=True)
    await client.close()

    assert answer.status == 200
    assert len(body) > 3_000_000
    assert es.requests[0].body == body


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        (
            {"username": "logstash_writer", "password": "päss:word"},
            "Basic " + base64.b64encode("logstash_writer:päss:word".encode()).decode(),
        ),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
    ],
    ids=["none", "basic", "API key in base64", "API key as id:key"],
)
async def test_each_way_to_log_in_is_one_header(
    es: FakeElasticsearch, settings: dict[str, str], expected: str | None
) -> None:
    client = client_for(es.url, **settings)

    await client.request("GET", "/")
    await client.close()

    assert es.requests[0].headers.get("authorization") == expected


async def test_hosts_take_turns_and_one_that_failed_is_left_alone() -> None:
    async with FakeElasticsearch() as one, FakeElasticsearch() as two:
        client = client_for(one.url, two.url)
        for _ in range(4):
            await client.request("GET", "/")
        taken = (len(one.requests), len(two.requests))

        await one.stop()
        answers = [await client.request("GET", "/") for _ in range(6)]
        await client.close()

    assert taken == (2, 2)
    assert [answer.status for answer in answers].count(None) <= 1
    assert answers[-1].status == 200
    assert answers[-1].host == two.url


async def test_a_host_named_twice_is_one_host(es: FakeElasticsearch) -> None:
    client = client_for(es.url, es.url + "/")

    answer = await client.request("GET", "/")
    await client.close()

    assert answer.status == 200


async def test_a_password_never_shows_in_a_failure() -> None:
    client = client_for("http://127.0.0.1:1", username="pt", password="hunter2")

    answer = await client.request("GET", "/")
    await client.close()

    assert answer.status is None
    assert "hunter2" not in answer.failure


async def test_after_close_a_request_opens_anew(es: FakeElasticsearch) -> None:
    client = client_for(es.url)
    await client.request("GET", "/")

    await client.close()
    again = await client.request("GET", "/")
    await client.close()

    assert again.status == 200


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("http://es:abc", "must be http(s)://host:port"),
        ("http://:9200", "must be http(s)://host:port"),
        ("http://es:0", "must be http(s)://host:port"),
        ("http://[::1:9200", "must be http(s)://host:port"),
        ("http://pt:hunter2@es:9200", "write username and password instead"),
    ],
)
def test_a_host_that_is_no_address_is_found_in_the_config(host: str, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ElasticsearchSettings(hosts=(host,))

    message = raised.value.errors()[0]["msg"]
    assert said in message
    assert "hunter2" not in message


def test_a_host_without_a_port_means_9200() -> None:
    assert with_port("http://es/") == "http://es:9200"
    assert with_port("https://es:443") == "https://es:443"
    assert with_port("http://[::1]/prefix") == "http://[::1]:9200/prefix"


def test_importing_the_sink_does_not_import_the_client_library() -> None:
    code = (
        "import sys, ptingest.sinks.elasticsearch.sink;"
        "assert not {'elasticsearch', 'elastic_transport', 'aiohttp'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("http://127.0.0.1:1", id="connection refused"),
        pytest.param("http://no-such-host.invalid:9200", id="no such host"),
    ],
)
async def test_what_found_nobody_was_never_sent(host: str) -> None:
    client = client_for(host)

    answers = [
        await client.request("POST", "/_bulk", body, is_ndjson=True)
        for body in (BODY, large_body(2000))
    ]
    await client.close()

    assert [(answer.status, answer.never_sent) for answer in answers] == [(None, True)] * 2


async def test_what_is_not_even_connected_in_time_was_never_sent() -> None:
    # A listener whose queue is full does not take the next connection.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [_begun(port) for _ in range(4)]
        client = client_for(f"http://127.0.0.1:{port}", request_seconds=0.2)
        answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
        await client.close()
        for one in waiting:
            one.close()

    assert (answer.status, answer.never_sent) == (None, True)


def _begun(port: int) -> socket.socket:
    """Begin a connection without waiting for it."""
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
    return one


async def test_a_handshake_that_fails_sent_nothing() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with tcp_server(plain) as port:
        client = client_for(f"https://127.0.0.1:{port}")
        answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
        await client.close()

    assert (answer.status, answer.never_sent) == (None, True)


@pytest.mark.parametrize("then", ["drop", "reset"])
async def test_what_was_sent_and_not_answered_may_have_arrived(
    es: FakeElasticsearch, then: str
) -> None:
    client = client_for(es.url)
    es.script(Reply(then="drop" if then == "drop" else "reset"))

    answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
    await client.close()

    assert (answer.status, answer.never_sent) == (None, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("method", "body"), [("POST", BODY), ("GET", None), ("PUT", b"{}")])
async def test_no_redirect_is_followed_and_no_login_leaves(
    status: int, method: str, body: bytes | None
) -> None:
    with HttpStub() as other, HttpStub(status, {"Location": other.url}, keeps_path=True) as stub:
        client = client_for(stub.url, username="pt", password="hunter2")
        answer = await client.request(method, "/_bulk?a=b", body)
        await client.close()

    assert other.requests == []
    assert answer.status == status
    assert f"{stub.url} answers {status} to {other.url}: write that into" in answer.failure
    assert "sinks.elasticsearch.hosts" in answer.failure


def bomb(inflated: int) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(squeezer.compress(block) for _ in range(inflated >> 20)) + squeezer.flush()


OURS = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
TOO_LONG = 65 << 20


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"Content-Encoding": "gzip"}, bomb(TOO_LONG), id="inflated"),
        pytest.param({}, bytes(TOO_LONG), id="as it comes"),
    ],
)
@pytest.mark.timeout(60)
async def test_an_answer_without_end_is_no_answer(headers: dict[str, str], body: bytes) -> None:
    with HttpStub(200, OURS | headers, body) as stub:
        client = client_for(stub.url)
        answer = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
        stub.headers, stub.body = OURS, b"{}"
        again = await client.request("POST", "/_bulk", BODY, is_ndjson=True)
        await client.close()

    assert answer.status is None
    assert "more than 64 MiB" in answer.failure
    assert again.body == b"{}"


async def test_a_compressed_answer_is_inflated() -> None:
    with HttpStub(200, OURS | {"Content-Encoding": "gzip"}, gzip.compress(b'{"a":1}')) as stub:
        client = client_for(stub.url)
        answer = await client.request("GET", "/")
        await client.close()

    assert answer.body == b'{"a":1}'

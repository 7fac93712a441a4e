from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from typing import Any

import elastic_transport
import pytest

from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch import transport as transport_module
from ptingest.sinks.elasticsearch.transport import PlainTransport, make_transport, refuses
from tests.fakes.elasticsearch import FakeElasticsearch, Reply
from tests.fakes.tcp_proxy import Proxy
from tests.support.waiting import until

NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
BULK = b'{"create":{"_index":"logs-django-pt"}}\n{"n":1}\n'
HEADERS = {"content-type": NDJSON}


@pytest.fixture
async def es() -> AsyncIterator[FakeElasticsearch]:
    async with FakeElasticsearch() as node:
        yield node


@pytest.fixture
async def transport(es: FakeElasticsearch) -> AsyncIterator[PlainTransport]:
    made = make_transport(ElasticsearchSettings(hosts=(es.url,)), [es.url], None)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "mimetype", ["application/json", NDJSON, "text/html; charset=utf-8", "application/xml"]
)
async def test_bodies_pass_as_they_are(
    transport: PlainTransport, es: FakeElasticsearch, mimetype: str
) -> None:
    es.always = Reply(body=b"not { json", headers={"content-type": mimetype})
    body: Any = io.BytesIO(b"no newline, and file-like")

    answer = await transport.perform_request("POST", "/_bulk", body=body, headers=HEADERS)

    assert answer.body == b"not { json"
    assert es.requests[-1].body == b"no newline, and file-like"


async def test_bodies_are_never_written_out_to_a_log(
    transport: PlainTransport, es: FakeElasticsearch, caplog: pytest.LogCaptureFixture
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
    transport: PlainTransport, es: FakeElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await es.stop()

    with pytest.raises(elastic_transport.ConnectionError, match="Connection error"):
        await transport.perform_request("GET", "/")

    assert not caplog.records


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "SILENT_SECONDS", 0.05)


async def test_of_several_hosts_one_that_hangs_is_given_up_and_rests(
    es: FakeElasticsearch, impatient: None
) -> None:
    async with Proxy(es.port) as hung:
        hung.hang()
        urls = [f"http://127.0.0.1:{hung.port}", es.url]
        made = make_transport(ElasticsearchSettings(hosts=tuple(urls)), urls, None)
        outcomes = []
        for _ in range(4):
            try:
                answer = await made.perform_request("POST", "/_bulk", body=BULK, headers=HEADERS)
                outcomes.append(str(answer.meta.status))
            except elastic_transport.ConnectionError as error:
                outcomes.append(error.message)
        await made.close()

    silent = f"{urls[0]} answers nothing, not even GET /"
    assert sorted(outcomes) == ["200", "200", "200", silent]


async def statuses(made: PlainTransport, count: int) -> list[int]:
    answers = [
        await made.perform_request("POST", "/_bulk", body=BULK, headers=HEADERS)
        for _ in range(count)
    ]
    return [answer.meta.status for answer in answers]


@pytest.mark.parametrize("status", [401, 403, 502, 503, 504])
async def test_of_several_hosts_one_that_takes_nothing_rests_and_is_named(
    es: FakeElasticsearch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    async with FakeElasticsearch() as refusing:
        refusing.always = Reply(status=status)
        urls = [refusing.url, es.url]
        made = make_transport(ElasticsearchSettings(hosts=tuple(urls)), urls, None)
        found = await statuses(made, 6)
        await made.close()

    assert sorted(found) == [200] * 5 + [status]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{refusing.url} answers {status}: it rests while")


async def test_a_host_that_takes_something_again_has_its_share_again(
    es: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "REST_SECONDS", 0.0)
    async with FakeElasticsearch() as other:
        other.script(Reply(status=401), Reply(status=401))
        urls = [other.url, es.url]
        made = make_transport(ElasticsearchSettings(hosts=tuple(urls)), urls, None)
        found = await statuses(made, 20)
        await made.close()

    assert found.count(401) == 2
    assert len(other.requests) >= 8


async def test_hosts_that_all_refuse_take_turns(es: FakeElasticsearch) -> None:
    async with FakeElasticsearch() as other:
        es.always = other.always = Reply(status=401)
        urls = [other.url, es.url]
        made = make_transport(ElasticsearchSettings(hosts=tuple(urls)), urls, None)
        found = await statuses(made, 6)
        es.always = Reply()
        later = await statuses(made, 4)
        await made.close()

    assert found == [401] * 6
    assert len(other.requests) >= 3
    assert sorted(later) in ([200] * 4, [200] * 3 + [401])


async def test_a_host_alone_is_asked_again_whatever_it_answers(
    transport: PlainTransport, es: FakeElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    es.always = Reply(status=401)

    assert await statuses(transport, 3) == [401] * 3
    assert not caplog.records


@pytest.mark.parametrize(
    ("status", "target"),
    [(200, "/_bulk"), (404, "/x"), (403, "/_index_template/x"), (413, "/_bulk")],
)
def test_what_is_no_word_about_the_host_is_not_taken_for_one(status: int, target: str) -> None:
    assert not refuses(status, target)


def test_requests_that_fail_together_are_one_rest(transport: PlainTransport) -> None:
    pool = transport.node_pool
    (node,) = pool.all()

    for _ in range(3):
        pool.mark_dead(node, 0.0)

    assert pool.resurrect() is node
    assert pool.resurrect() is None


async def test_a_write_may_take_its_time_where_its_host_answers_something(
    es: FakeElasticsearch, impatient: None
) -> None:
    es.always = Reply(gate=asyncio.Event())
    urls = [es.url, f"http://localhost:{es.port}"]
    made = make_transport(ElasticsearchSettings(hosts=tuple(urls)), urls, None)
    writing = asyncio.ensure_future(
        made.perform_request("POST", "/_bulk", body=BULK, headers=HEADERS)
    )

    await until(lambda: len([one for one in es.requests if one.method == "GET"]) >= 3)
    assert es.always.gate is not None
    es.always.gate.set()
    answer = await writing
    await made.close()

    assert answer.meta.status == 200


async def test_a_host_alone_is_not_asked_whether_it_answers(
    transport: PlainTransport, es: FakeElasticsearch, impatient: None
) -> None:
    es.always = Reply(delay_seconds=0.3)

    await transport.perform_request("POST", "/_bulk", body=BULK, headers=HEADERS)

    assert [one.method for one in es.requests] == ["POST"]

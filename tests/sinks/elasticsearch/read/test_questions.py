from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ptingest.errors import SinkUnavailable
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch import transport
from ptingest.sinks.elasticsearch.answer_memory import AnswerMemory
from ptingest.sinks.elasticsearch.read import questions as asking
from ptingest.sinks.elasticsearch.read.questions import Questions, TooLarge
from tests.fakes.http_stub import HttpStub
from tests.support.tcp import tcp_server

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}


def error(kind: str, reason: str) -> bytes:
    cause = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], "type": "outer", "reason": "all"}}).encode()


@asynccontextmanager
async def questions(url: str) -> AsyncIterator[Questions]:
    settings = ElasticsearchSettings.model_validate(
        {"hosts": (url,), "username": "logstash_writer", "password": "x"}
    )
    one = Questions(settings, lambda: StreamNames(("logs-*-pt", "logs-*-shop")))
    yield one
    await one.client.close()


@pytest.fixture
def stub() -> Iterator[HttpStub]:
    with HttpStub(200, PRODUCT, b"{}") as stub:
        yield stub


async def test_a_search_asks_the_streams_of_the_profile_within_its_time(stub: HttpStub) -> None:
    async with questions(stub.url) as asked:
        await asked.search({"size": 1}, seconds=1.5)
        await asked.search({"pit": {"id": "x"}}, seconds=0.0)

    first, second = stub.requests
    assert first.line.startswith("POST /logs-*-pt,logs-*-shop/_search ")
    assert json.loads(first.body) == {"size": 1, "timeout": "1500ms"}
    assert second.line.startswith("POST /_search ")
    assert json.loads(second.body)["timeout"] == "1ms"


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (403, PRODUCT, error("security_exception", "action is unauthorized"),
         r"logstash_writer may not read logs-\*-pt,logs-\*-shop: grant `read` to its role "
         r".*ptingest setup --only role.*says: action is unauthorized"),
        (401, PRODUCT, error("security_exception", "no"), "does not take the login of logstash_w"),
        (400, PRODUCT, error("query_shard_exception", "no such thing"), "400: no such thing"),
        (503, PRODUCT, b"busy", "503: 'busy'"),
        (200 + 102, {"Location": "http://elsewhere/"}, b"", "elsewhere"),
        (502, {}, b"<html>", "something else than Elasticsearch answers"),
    ],
)  # fmt: skip
async def test_no_answer_is_said_with_the_cure(
    stub: HttpStub, status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    stub.status, stub.headers, stub.body = status, headers, body

    async with questions(stub.url) as asked:
        with pytest.raises(SinkUnavailable, match=words):
            await asked.search({}, seconds=1.0)


async def test_a_node_that_is_down_is_said() -> None:
    with HttpStub() as stub:
        url = stub.url

    async with questions(url) as asked:
        with pytest.raises(SinkUnavailable, match=r"no answer from http://127\.0"):
            await asked.search({}, seconds=1.0)


async def test_a_node_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "GRACE_SECONDS", 0.1)
    ended = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async with tcp_server(silent) as port:
        async with questions(f"http://127.0.0.1:{port}") as asked:
            with pytest.raises(SinkUnavailable, match=r"within 0\.2 s$"):
                await asked.search({}, seconds=0.1)
        ended.set()


async def test_an_answer_that_is_too_large_is_told_apart(
    stub: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "AnswerMemory", lambda: AnswerMemory(1000))
    stub.body = b"x" * 5000

    async with questions(stub.url) as asked:
        with pytest.raises(TooLarge):
            await asked.search({}, seconds=1.0)


async def test_mappings_are_asked_for_now_and_then(stub: HttpStub) -> None:
    row: dict[str, Any] = {"keyword": {"type": "keyword", "searchable": True, "aggregatable": True}}
    stub.body = json.dumps({"indices": ["a", "b"], "fields": {"service": row}}).encode()

    async with questions(stub.url) as asked:
        first = await asked.mappings()
        again = await asked.mappings()
        indices = await asked.indices()

    assert (first, indices) == (again, ["a", "b"])
    assert list(first) == ["service"]
    assert len(stub.requests) == 2


async def test_a_snapshot_is_let_go_whatever_happens(stub: HttpStub) -> None:
    stub.body = b'{"id":"held"}'

    async with questions(stub.url) as asked:
        with pytest.raises(ZeroDivisionError):
            async with asked.snapshot(seconds=1.0) as snapshot:
                assert snapshot.id == "held"
                raise ZeroDivisionError

    assert stub.requests[0].line.startswith("POST /logs-*-pt,logs-*-shop/_pit?keep_alive=2m ")
    assert stub.requests[-1].line.startswith("DELETE /_pit ")
    assert json.loads(stub.requests[-1].body) == {"id": "held"}


@pytest.mark.parametrize(
    ("status", "granted", "is_refused"),
    [(200, False, True), (200, True, False), (400, False, False)],
)
async def test_a_user_without_read_is_told(
    stub: HttpStub, status: int, granted: bool, is_refused: bool
) -> None:
    stub.status = status
    stub.body = json.dumps({"index": {"logs-*-pt": {"read": granted}}}).encode()

    async with questions(stub.url) as asked:
        if is_refused:
            with pytest.raises(SinkUnavailable, match="may not read"):
                await asked.refuse_without_read()
        else:
            await asked.refuse_without_read()


async def test_several_searches_are_answered_in_order(stub: HttpStub) -> None:
    stub.body = b'{"responses":[{"timed_out":true},{}]}'

    async with questions(stub.url) as asked:
        answers = await asked.searches(b"{}\n{}\n", seconds=1.0)

    assert [one.timed_out for one in answers] == [True, False]
    assert "ndjson" in stub.requests[0].headers["content-type"]

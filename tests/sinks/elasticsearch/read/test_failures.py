"""The reader on canned answers; `tests/peers/test_failures.py` has it on real nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from ptingest.errors import NoFailureStores, SinkUnavailable
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch.read.failures import FailureReader
from tests.fakes.http_stub import HttpStub
from tests.support.failure_documents import RECORDED, failure
from tests.support.letters import EVERYTHING
from tests.support.waiting import until

OURS = {"X-Elastic-Product": "Elasticsearch"}


@pytest.fixture
def stub() -> Iterator[HttpStub]:
    with HttpStub(200, OURS) as stub:
        yield stub


@pytest.fixture
def reader(stub: HttpStub) -> FailureReader:
    settings = ElasticsearchSettings.model_validate({"hosts": (stub.url,)})
    return FailureReader(settings, streams=lambda: StreamNames(("logs-*-pt",)))


def answers(stub: HttpStub, *hits: object, **more: object) -> None:
    """The same for every question: rights, a snapshot, hits."""
    found = {"hits": list(hits), "total": {"value": len(hits), "relation": "eq"}}
    stub.body = json.dumps({"id": "snapshot", "hits": found, **more}).encode()


async def test_a_document_that_failed_twice_is_counted_once_with_its_newest_failure(
    stub: HttpStub, reader: FailureReader
) -> None:
    older = json.loads(json.dumps(RECORDED)) | {"_id": "older"}
    older["_source"]["@timestamp"] = "2026-11-29T20:00:00.000Z"
    other = json.loads(json.dumps(RECORDED)) | {"_id": "other"}
    other["_source"]["document"]["id"] = "another key"
    answers(stub, RECORDED, other, older)

    page = await reader.look(EVERYTHING, with_requeued=True)
    await reader.close()

    (group,) = page.groups
    assert (page.seen, page.requeued, page.left_out) == (2, 0, 0)
    assert (group.documents, group.newest) == (2, "2026-11-29T20:46:06.786Z")
    assert group.example.id == RECORDED["_id"]


async def test_what_the_data_stream_has_by_now_is_left_out_and_counted(
    stub: HttpStub, reader: FailureReader
) -> None:
    answers(stub, {**RECORDED, "_id": failure().key})

    page = await reader.look(EVERYTHING)
    await reader.close()

    assert (page.groups, page.seen, page.requeued) == ([], 0, 1)


async def test_it_asks_for_failures_by_selector_and_never_takes_a_part_of_an_answer(
    stub: HttpStub, reader: FailureReader
) -> None:
    answers(stub, RECORDED)

    pages = [page async for page in reader.chosen(EVERYTHING)]
    there = await reader.stored([RECORDED["_id"], "k"])
    await reader.close()

    assert [len(page) for page in pages] == [1, 1]
    assert there == {RECORDED["_id"]}
    searches = [got.line.split()[1] for got in stub.requests if "_search" in got.line]
    assert searches == [
        "/logs-*-pt::failures/_search?allow_partial_search_results=false",
        "/_search?allow_partial_search_results=false",
        "/logs-*-pt/_search?allow_partial_search_results=false",
    ]


async def test_a_missing_right_is_named_instead_of_an_empty_list(
    stub: HttpStub, reader: FailureReader
) -> None:
    answers(stub, index={"logs-*-pt": {"read_failure_store": False, "read": True}})

    with pytest.raises(SinkUnavailable, match=r"may not read the failure stores of logs-\*-pt"):
        await reader.look(EVERYTHING)
    await reader.close()


@pytest.mark.parametrize("version", ["8.13.4", "9.0.4"])
async def test_a_version_without_failure_stores_is_asked_for_nothing_more(
    stub: HttpStub, reader: FailureReader, version: str
) -> None:
    # 8.13 would take `logs-*-pt::failures` for the data streams and answer with their documents.
    stub.body = json.dumps({"version": {"number": version}}).encode()

    with pytest.raises(NoFailureStores, match=f"Elasticsearch {version} has no failure stores"):
        await reader.look(EVERYTHING)
    with pytest.raises(NoFailureStores):
        await reader.find("x")
    await reader.close()

    assert {got.line for got in stub.requests} == {"GET / HTTP/1.1"}


@pytest.mark.parametrize(("status", "requests"), [(200, 1), (403, 2)])
async def test_the_version_is_asked_for_until_it_is_known_and_may_be_a_secret(
    stub: HttpStub, reader: FailureReader, status: int, requests: int
) -> None:
    answers(stub, RECORDED)
    stub.by_path["/"] = (status, json.dumps({"version": {"number": "9.1.0"}}).encode())
    if status == 403:
        stub.by_path["/"] = (403, b"{}")

    found = [await reader.find("x") for _ in range(2)]
    await reader.close()

    assert found[0] is not None
    assert [got.line for got in stub.requests].count("GET / HTTP/1.1") == requests


async def test_most_is_how_many_are_read(stub: HttpStub, reader: FailureReader) -> None:
    answers(stub, *({**RECORDED, "_id": f"{n}"} for n in range(1000)))
    stub.body = stub.body.replace(b'"value": 1000', b'"value": 5000')

    page = await reader.look(EVERYTHING, with_requeued=True, most=2000)
    await reader.close()

    assert page.left_out == 3000


async def test_shards_that_are_being_made_are_waited_for(stub: HttpStub) -> None:
    answers(stub, RECORDED)
    search = "/logs-*-pt::failures/_search"
    stub.by_path[search] = (503, b'{"error":{"type":"search_phase_execution_exception"}}')
    settings = ElasticsearchSettings.model_validate({"hosts": (stub.url,)})
    reader = FailureReader(settings, streams=lambda: StreamNames(("logs-*-pt",)), seconds=0.0)

    with pytest.raises(SinkUnavailable, match="503: search_phase_execution_exception"):
        await reader.find("x")
    await reader.close()
    patient = FailureReader(settings, streams=lambda: StreamNames(("logs-*-pt",)))
    finding = asyncio.ensure_future(patient.find("x"))
    await until(lambda: sum(search in got.line for got in stub.requests) >= 3)
    del stub.by_path[search]

    assert await finding is not None
    await patient.close()


async def test_an_answer_that_is_not_what_was_asked_for_is_no_empty_store(
    stub: HttpStub, reader: FailureReader
) -> None:
    stub.body = b'{"hits": 5}'

    with pytest.raises(SinkUnavailable, match="not the JSON expected"):
        await reader.find("x")
    await reader.close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            200,
            {"items": [{"delete": {"status": 403, "error": {"reason": "no right"}}}]},
            "no right",
        ),
        (200, {"items": [{"delete": {"status": 500}}]}, "500"),
        (403, {"error": {"type": "security_exception", "reason": "unauthorized"}}, "unauthorized"),
    ],
)
async def test_a_refused_deletion_says_why_and_which_right_is_needed(
    stub: HttpStub, reader: FailureReader, status: int, body: object, said: str
) -> None:
    stub.status, stub.body = status, json.dumps(body).encode()

    with pytest.raises(SinkUnavailable, match=said) as raised:
        await reader.delete([failure()._replace(key=None)])
    await reader.close()

    assert "ptingest setup --only role --failures purge" in str(raised.value)


async def test_what_is_gone_already_counts_as_deleted(
    stub: HttpStub, reader: FailureReader
) -> None:
    deleted = {"delete": {"status": 404, "result": "not_found"}}
    stub.body = json.dumps({"items": [deleted]}).encode()

    assert await reader.delete([failure()._replace(key=None)]) == 1
    await reader.close()

"""The reader on canned answers; `tests/peers/test_reading.py` has it on a real Elasticsearch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ptingest.errors import DocumentMissing, QueryInvalid, SinkUnavailable
from ptingest.model.explore import View
from ptingest.model.streams import StreamNames
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch import transport
from ptingest.sinks.elasticsearch.answer_memory import AnswerMemory
from ptingest.sinks.elasticsearch.read.reader import ElasticsearchReader, ReadLimits
from ptingest.sinks.elasticsearch.read.tail_position import INDICES_MOST
from tests.fakes.http_stub import HttpStub

INDEX = ".ds-logs-django-pt-2025.01.02-000001"
KEYWORD = {"keyword": {"type": "keyword", "searchable": True, "aggregatable": True}}


def found(*sources: dict[str, Any], **more: object) -> bytes:
    """One answer for every question: fields, indices, hits and rights."""
    hits = [
        {"_index": INDEX, "_id": f"k{n}", "_source": one, "sort": [n]}
        for n, one in enumerate(sources)
    ]
    answer = {
        "indices": [INDEX],
        "fields": {"service": KEYWORD},
        "hits": {"hits": hits, "total": {"value": len(hits)}},
        "id": "snapshot",
        **more,
    }
    return json.dumps(answer).encode()


@pytest.fixture
def stub() -> Iterator[HttpStub]:
    with HttpStub(200, {"X-Elastic-Product": "Elasticsearch"}, found()) as stub:
        yield stub


def reader_at(stub: HttpStub, **limits: Any) -> ElasticsearchReader:
    return ElasticsearchReader(
        ElasticsearchSettings.model_validate({"hosts": (stub.url,)}),
        streams=lambda: StreamNames(("logs-*-pt",)),
        limits=ReadLimits(**limits),
    )


async def test_what_is_missing_in_an_answer_is_said_beside_it(stub: HttpStub) -> None:
    stub.body = found({"a": 1}, timed_out=True)
    reader = reader_at(stub)

    look = await reader.look(View("servce:a"), place=None, limit=5, is_patient=False)
    await reader.close()

    assert len(look.page.hits) == 1
    assert not look.counts.is_whole
    assert [note[:23] for note in look.notes] == ["The time limit was reac"]
    assert look.unknown_fields == ["servce"]


async def test_nothing_found_is_told_from_nothing_that_may_be_read(stub: HttpStub) -> None:
    reader = reader_at(stub)

    look = await reader.look(View(), place=None, limit=5, is_patient=False)
    stub.body = found(index={"logs-*-pt": {"read": False}})
    with pytest.raises(SinkUnavailable, match="grant `read`"):
        await reader.look(View(), place=None, limit=5, is_patient=False)
    await reader.close()

    assert look.is_empty


async def test_of_documents_that_are_too_large_fewer_are_asked_for(
    stub: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "AnswerMemory", lambda: AnswerMemory(1000))
    reader = reader_at(stub)
    await reader.fields()
    stub.body = b"x" * 5000
    before = len(stub.requests)

    with pytest.raises(SinkUnavailable, match="an answer of more than"):
        await reader._fitting(lambda size: {"size": size}, 100, seconds=1.0)
    await reader.close()

    sizes = [json.loads(got.body)["size"] for got in stub.requests[before:]]
    assert sizes == [100, 12, 1]


async def test_a_file_that_would_lack_documents_is_refused(stub: HttpStub) -> None:
    stub.body = found({"a": 1}, _shards={"total": 2, "failed": 1})
    reader = reader_at(stub)

    with pytest.raises(SinkUnavailable, match="1 of 2 shards did not answer"):
        async for _ in reader.export(View()):
            pass
    await reader.close()

    assert stub.requests[-1].line.startswith("DELETE /_pit")


async def test_more_indices_than_a_tail_follows_are_said(stub: HttpStub) -> None:
    stub.body = found(indices=[f"i{number}" for number in range(INDICES_MOST + 1)])
    reader = reader_at(stub)

    with pytest.raises(SinkUnavailable, match="100 backing indices at most"):
        await reader.position()
    await reader.close()


@pytest.mark.parametrize("name", ["", "5", "nothing"])
async def test_what_names_no_document_finds_none(stub: HttpStub, name: str) -> None:
    reader = reader_at(stub)

    assert await reader.document(name, around=1) is None
    with pytest.raises(DocumentMissing, match="no such document"):
        async for _ in reader.whole(name):
            pass
    await reader.close()
    assert stub.requests == []


async def test_more_questions_than_may_wait_are_refused(stub: HttpStub) -> None:
    reader = reader_at(stub, waiting=0)

    with pytest.raises(SinkUnavailable, match="wait already"):
        await reader.newest_time()
    await reader.close()


@pytest.mark.parametrize("view", [View("a:"), View(since="soon"), View("@timestamp:x")])
async def test_what_cannot_be_read_is_refused_before_it_is_asked(
    stub: HttpStub, view: View
) -> None:
    reader = reader_at(stub)

    with pytest.raises(QueryInvalid):
        await reader.look(view, place=None, limit=1, is_patient=False)
    with pytest.raises(QueryInvalid):
        await reader.look(View(), place="nowhere", limit=1, is_patient=False)
    await reader.close()

    assert not any("_search" in got.line for got in stub.requests)

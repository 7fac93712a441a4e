from __future__ import annotations

import json

import pytest

from ptingest.errors import QueryInvalid, SinkUnavailable
from ptingest.sinks.elasticsearch.read.hits import (
    DocumentPlace,
    FilePlace,
    SearchAnswer,
    data_stream_of,
    file_place_of,
    hit_of,
    read_place,
    read_search,
    time_of,
    write_place,
)

INDEX = ".ds-logs-django-pt-2025.01.02-000001"


def answer(**more: object) -> SearchAnswer:
    return read_search(json.dumps(more).encode())


def one(source: object) -> dict[str, object]:
    return {"hits": [{"_index": INDEX, "_id": "key", "_source": source, "sort": [1, "a", None]}]}


def test_a_hit_is_a_document_with_its_place() -> None:
    (found,) = answer(hits=one({"@timestamp": "2025-01-02T03:04:05Z", "a": "é"})).hits.hits

    hit = hit_of(found)

    assert (hit.id, hit.key, hit.data_stream) == (f"{INDEX}/key", "key", "logs-django-pt")
    assert hit.timestamp == "2025-01-02T03:04:05.000Z"
    assert json.loads(hit.body) == {"@timestamp": "2025-01-02T03:04:05Z", "a": "é"}
    assert (hit.is_cut, hit.stored_at, found.sort) == (False, None, [1, "a", None])


def test_a_large_document_is_cut() -> None:
    (found,) = answer(hits=one({"a": "x" * 200_000, "b": 1})).hits.hits

    hit = hit_of(found, whole_bytes=1000, value_bytes=100)

    assert (hit.is_cut, hit.size > 200_000, len(hit.body) < 2000) == (True, True, True)
    assert json.loads(hit.body)["b"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"hits":5}', b"<html>"])
def test_what_is_no_answer_is_unavailable(body: bytes) -> None:
    with pytest.raises(SinkUnavailable, match="cannot be read"):
        read_search(body)


def test_an_answer_says_what_it_lacks() -> None:
    failure = {"index": "x", "reason": {"reason": "disk"}}
    part = answer(timed_out=True, _shards={"total": 3, "failed": 1, "failures": [failure]})

    assert answer().is_whole
    assert not part.is_whole
    assert "time limit" in part.notes()[0]
    assert part.notes()[1].startswith("1 of 3 shards did not answer")
    assert part.notes()[1].endswith("x: disk")


@pytest.mark.parametrize(
    ("index", "stream"),
    [(INDEX, "logs-django-pt"), ("logs-x", "logs-x"), (".ds-a", ".ds-a")],
)
def test_the_data_stream_of_an_index(index: str, stream: str) -> None:
    assert data_stream_of(index) == stream


def test_a_document_is_named_by_index_and_key() -> None:
    assert DocumentPlace.read(f"{INDEX}/a/b") == DocumentPlace(INDEX, "a/b")
    assert [DocumentPlace.read(text) for text in ("", "5", "/k", "i/", "i/" + "k" * 513)] == [
        None
    ] * 5


def test_a_place_is_read_as_it_was_written() -> None:
    values = [1735787049000, "index", None, 1.5, True]

    assert read_place(write_place(values)) == values


@pytest.mark.parametrize("text", ["", "5", "[]", "[[1]]", "{}", "[" * 2000, json.dumps([1] * 9)])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid, match="a place"):
        read_place(text)


@pytest.mark.parametrize(
    ("milliseconds", "time"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1735787045678.0, "2025-01-02T03:04:05.678Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (None, None),
        (1e300, None),
    ],
)
def test_milliseconds_are_times(milliseconds: object, time: str | None) -> None:
    assert time_of(milliseconds) == time


FILE = {"path": "/a.log", "inode": "7"}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (
            {"agent": {"id": "a"}, "log": {"offset": 5, "file": FILE}},
            FilePlace({"log.file.inode": "7", "agent.id": "a"}, 5),
        ),
        ({"log.offset": 5, "log.file.path": "/a"}, FilePlace({"log.file.path": "/a"}, 5)),
        ({"agent": {"id": "a"}, "log": {"offset": 5}}, None),
        ({"log": {"offset": True, "file": FILE}}, None),
        ({"log": {"file": FILE}}, None),
        ([], None),
    ],
)
def test_a_line_has_a_place_in_its_file(document: object, place: FilePlace | None) -> None:
    assert file_place_of(json.dumps(document)) == place
    assert file_place_of("no JSON") is None

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.model.letters import LetterFilter, LetterKind
from ptingest.sinks.elasticsearch.failure_documents import (
    deletion,
    is_chosen,
    read_failures,
    reason_of,
    with_key_body,
    without_key_body,
)
from tests.support.failure_documents import RECORDED, answer, failure

REASON = "document_parsing_exception: failed to parse field [n] of type [long]"


def test_a_recorded_failure_document_is_read_whole() -> None:
    found = failure()

    assert found.own_key == found.key == "O8AOKaIBhPAaI2wn0jY2"
    assert (found.id, found.store_index) == (RECORDED["_id"], RECORDED["_index"])
    assert (found.time, found.data_stream) == ("2026-11-29T20:46:06.786Z", "logs-nginx-pt")
    assert json.loads(found.source) == RECORDED["_source"]["document"]["source"]
    assert json.loads(found.whole) == RECORDED["_source"]
    assert (found.kind, found.reason) == ("document_parsing_exception", REASON)


def test_a_document_without_an_error_is_none_of_a_failure_store() -> None:
    plain = {"_index": ".ds-logs-a-pt-1", "_id": "k", "_source": {"message": "hello"}}

    found = read_failures(answer(plain, RECORDED), size=10)

    assert found is not None
    assert [one.id for one in found.failures] == [RECORDED["_id"]]


def test_one_that_failed_before_it_had_an_id_is_requeued_under_that_of_its_record() -> None:
    inner = {"index": "logs-nginx-pt", "source": {}}

    found = failure({**RECORDED, "_source": {**RECORDED["_source"], "document": inner}})

    assert (found.key, found.own_key) == (None, RECORDED["_id"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("[1:63] object mapping for [host] tried", "x: object mapping for [host] tried"),
        ("failed to parse field [a] in document with id 'k1'. Preview of field's value: 'secret'",
         "x: failed to parse field [a]"),
        ("failed to parse field [a] in document with id 'k2'.", "x: failed to parse field [a]"),
        ("two\nlines \x1b[2J", "x: two lines \N{REPLACEMENT CHARACTER}[2J"),
        ("y" * 1000, "x: " + "y" * 297),
    ],
)  # fmt: skip
def test_a_reason_has_neither_positions_nor_ids_nor_the_events_text(
    message: str, reason: str
) -> None:
    assert reason_of("x", message) == reason


@pytest.mark.parametrize(
    ("choice", "is_taken"),
    [
        (LetterFilter(), False),
        (LetterFilter(everything=True), True),
        (LetterFilter(reasons=("document_parsing_exception",)), True),
        (LetterFilter(reasons=(REASON,)), True),
        (LetterFilter(reasons=("illegal_argument_exception",)), False),
        (LetterFilter(data_streams=("logs-nginx-pt",)), True),
        (LetterFilter(data_streams=("logs-django-pt",)), False),
        (LetterFilter(ids=(RECORDED["_id"],)), True),
        (LetterFilter(kinds=(LetterKind(REASON, "logs-nginx-pt"),)), True),
        (LetterFilter(kinds=(LetterKind(REASON, "logs-django-pt"),)), False),
        (LetterFilter(everything=True, before="2026-11-29T20:46:06.786Z"), False),
        (LetterFilter(everything=True, before="2026-11-29T20:46:06.787Z"), True),
    ],
)
def test_a_filter_takes_a_document_by_reason_stream_id_and_time(
    choice: LetterFilter, is_taken: bool
) -> None:
    assert is_chosen(failure(), choice) is is_taken


def test_documents_with_and_without_a_key_are_searched_for_apart_and_none_is_left_out() -> None:
    choice = LetterFilter(data_streams=("logs-nginx-pt",), ids=("a",), before="2026")

    keyed = with_key_body(choice, 5, None)["query"]["bool"]
    others = without_key_body(choice)["query"]["bool"]

    exists = {"exists": {"field": "document.id"}}
    assert keyed["filter"] == [exists, *others["filter"]]
    assert others["must_not"] == [exists]
    assert len(others["filter"]) == 3
    assert "search_after" not in with_key_body(choice, 5, None)
    assert with_key_body(choice, 5, "k")["search_after"] == ["k"]


def test_a_page_that_is_not_full_is_the_last() -> None:
    full, rest = (read_failures(answer(RECORDED, total=9), size=size) for size in (1, 2))

    assert full is not None
    assert rest is not None
    assert (full.last, full.total) == (RECORDED["sort"], 9)
    assert rest.last is None


def test_a_hit_that_is_no_failure_document_is_left_out_but_has_a_place() -> None:
    found = read_failures(answer({**RECORDED, "_source": {"error": 5}}), size=10)

    assert found is not None
    assert found.failures == []
    assert found.places[0].id == RECORDED["_id"]


@given(st.binary())
def test_any_bytes_are_an_answer_or_none(body: bytes) -> None:
    read_failures(body, size=1)


def test_a_deletion_names_each_document_by_index_and_id() -> None:
    lines = deletion([(".fs-a", "1"), (".fs-b", 'q"')]).splitlines()

    assert [json.loads(line)["delete"] for line in lines] == [
        {"_index": ".fs-a", "_id": "1"},
        {"_index": ".fs-b", "_id": 'q"'},
    ]

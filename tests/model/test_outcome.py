"""Outcomes are values: a document that is not listed was stored, and nothing can be changed."""

from __future__ import annotations

import dataclasses

import pytest

from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import DeadLetter, DropReason, Fate, Processed, Refusal, WriteResult
from ptingest.model.receipt import Receipt


def letter(**changed: str) -> DeadLetter:
    fields = {"reason": "not_json", "detail": "x", "service": "django", "peer": "192.0.2.7:1"}
    return DeadLetter(payload=b"{", **{**fields, **changed})


def test_a_result_that_lists_nothing_says_that_all_was_stored_and_all_is_well() -> None:
    result = WriteResult()

    lists = [
        result.already_stored,
        result.failure_stored,
        result.dropped,
        result.failing,
        result.refused,
        result.busy,
        result.doubtful,
        result.stream_busy,
    ]
    assert not any(lists)
    assert (result.retry_after_seconds, result.trouble) == (None, None)
    assert (result.too_large, result.unreadable) == (False, False)


def test_a_result_cannot_be_changed_after_the_sink_gave_it() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WriteResult().trouble = "late"  # type: ignore[misc]


def test_every_fate_of_the_books_is_there_once_and_is_its_own_label() -> None:
    assert [str(fate) for fate in Fate] == [
        "stored",
        "already_stored",
        "failure_stored",
        "dead_lettered",
        "dropped",
        "given_back",
        "elsewhere",
        "buffered",
    ]
    assert [str(reason) for reason in DropReason] == [
        "other_group",
        "no_service",
        "ingest_pipeline",
        "filter",
        "no_output",
        "condition_error",
    ]


def test_dead_letters_are_equal_when_all_they_say_is() -> None:
    assert letter() == letter()
    assert letter() != letter(reason="not_an_object")
    assert (letter().data_stream, letter().key) == (None, None)


def test_a_refusal_names_the_very_document() -> None:
    stream = DataStream("logs", "django", "pt")
    documents = [
        Document(stream, b"{}", None, Receipt(lambda _: None), b"{}", "django", "192.0.2.7:1")
        for _ in range(2)
    ]

    refusal = Refusal(documents[0], "mapping", "failed to parse")

    assert refusal.document is documents[0]
    assert refusal.document != documents[1]


def test_two_chunks_never_share_their_lists() -> None:
    one, other = Processed(), Processed()

    one.dead_letters.append(letter())
    one.received["django"] = 1
    one.dropped["django", DropReason.NO_SERVICE] = 1
    one.tallies["django", "grok_failure"] = 1

    assert other == Processed()

"""What is remembered of documents is bounded by what the lane holds."""

from __future__ import annotations

import pytest

from ptingest.model.document import Document
from ptingest.model.receipt import Receipt
from ptingest.sinks.elasticsearch import remembered
from ptingest.sinks.elasticsearch.remembered import Remembered
from tests.support.documents import document

COST = document(key="0").cost


@pytest.fixture
def receipt(monkeypatch: pytest.MonkeyPatch) -> Receipt:
    monkeypatch.setattr(remembered, "SWEEP_BYTES", 3 * COST)
    return Receipt(lambda _: None)


def add(known: Remembered[int], count: int, receipt: Receipt | None = None) -> list[Document]:
    documents = [document(key=str(number), receipt=receipt) for number in range(count)]
    for number, one in enumerate(documents):
        known[one] = number
    known.sweep()
    return documents


def test_what_was_given_back_is_forgotten_when_its_bytes_count(receipt: Receipt) -> None:
    known: Remembered[int] = Remembered()
    add(known, 3, receipt)
    receipt.fail("connection closed")

    known.sweep()
    few = len(known)
    kept = add(known, 1)

    assert (few, list(known)) == (3, kept)


def test_a_document_counts_once(receipt: Receipt) -> None:
    known: Remembered[int] = Remembered()
    (one,) = add(known, 1, receipt)
    receipt.fail("connection closed")

    for number in range(9):
        known[one] = number
    known.sweep()

    assert known == {one: 8}


def test_while_all_are_held_they_are_looked_through_less_and_less_often(receipt: Receipt) -> None:
    known: Remembered[int] = Remembered()
    add(known, 4)
    gone = add(known, 3, receipt)
    receipt.fail("connection closed")

    before = set(known)
    add(known, 2)

    assert before.issuperset(gone)
    assert set(known).isdisjoint(gone)

"""A document leaves a lane once: counted, its bytes released, its receipt told."""

from __future__ import annotations

import pytest

from ptingest.delivery.books import Books, by_service
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.model.document import Document
from ptingest.model.outcome import Fate
from ptingest.model.receipt import Receipt
from ptingest.telemetry.metrics import Metrics
from tests.fakes.sink import Window, fates


def opened(documents: list[Document]) -> tuple[Books, DocumentBudget, Metrics]:
    budget, metrics = DocumentBudget(1), Metrics()
    budget.charge(sum(document.cost for document in documents))
    return Books("fake", budget=budget, metrics=metrics), budget, metrics


def test_settled_documents_are_counted_by_service_and_close_their_windows() -> None:
    windows = [Window(), Window()]
    documents = [*windows[0].documents(3), *windows[1].documents(2, service="celery")]
    books, budget, metrics = opened(documents)
    for window in windows:
        window.receipt.seal()

    books.settle(documents, Fate.STORED)

    settled = "ptingest_lane_settled_events_total"
    assert metrics.value(settled, "fake", "django", Fate.STORED) == 3
    assert metrics.value(settled, "fake", "celery", Fate.STORED) == 2
    assert all(window.is_acked for window in windows)
    assert budget.outstanding == 0


def test_the_books_balance_already_when_a_receipt_closes() -> None:
    seen = []
    window = Window()
    window.receipt = Receipt(lambda _: seen.append((budget.outstanding, fates(metrics))))
    documents = window.documents(4)
    window.receipt.seal()
    books, budget, metrics = opened(documents)

    books.settle(documents, Fate.ALREADY_STORED)

    assert seen == [(0, {Fate.ALREADY_STORED: 4})]


def test_documents_given_back_fail_their_windows() -> None:
    window, failed = Window(), Window()
    failed.receipt.fail("the connection closed")
    documents = [*window.documents(2), *failed.documents(2)]
    books, budget, metrics = opened(documents)

    books.give_back(documents, "no room")

    assert window.receipt.failed == "no room"
    assert failed.receipt.failed == "the connection closed"
    assert fates(metrics) == {Fate.GIVEN_BACK: 4}
    assert budget.outstanding == 0


@pytest.mark.parametrize("fate", [Fate.STORED, Fate.GIVEN_BACK])
def test_nothing_is_booked_for_no_documents(fate: Fate) -> None:
    books, _, metrics = opened([])

    books.settle([], fate)
    books.give_back([], "nothing")

    assert fates(metrics) == {}


def test_services_are_counted_over_all_lists() -> None:
    window = Window()
    lists = [window.documents(2), window.documents(1, service="nginx"), window.documents(3)]

    assert by_service(lists) == {"django": 5, "nginx": 1}

"""Every document of a lane is counted where it is, once."""

from __future__ import annotations

from pathlib import Path

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.batch import Batcher, batch_of
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.retry import Backoff, RetryQueue
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.document import Document
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.fakes.sink import CELERY, Window, refuse


def inventory(tmp_path: Path) -> Inventory:
    metrics = Metrics()
    letters = DeadLetters(tmp_path, DeadLettersSettings(), clock=ManualClock(), metrics=metrics)
    books = Books("fake", budget=DocumentBudget(1 << 20), metrics=metrics)
    return Inventory(
        fresh=Batcher(max_documents=100, max_bytes=1 << 20, max_age_seconds=0.1),
        again=RetryQueue(),
        suspects=RetryQueue(),
        streams=StreamBreakers(
            "fake",
            backoff=Backoff(initial_seconds=0.25, max_seconds=10),
            patience_seconds=300,
            share_bytes=lambda: 1 << 20,
        ),
        in_flight=set(),
        dead_lettering=DeadLettering(letters, books=books, metrics=metrics, on_failed=lambda: None),
    )


def filled(tmp_path: Path) -> tuple[Inventory, list[Document]]:
    """One document more in each place than in the one before."""
    window, full = Window(), inventory(tmp_path)
    lists = [
        window.documents(count, service=f"service {count}", data_stream=CELERY)
        for count in range(1, 7)
    ]
    full.fresh.add(lists[0], 50.0)
    full.again.add(batch_of(lists[1], 40.0))
    full.streams.hold(refuse(lists[2]), 30.0, 0.5)
    full.in_flight.add(batch_of(lists[3], 20.0))
    full.dead_lettering.accept(refuse(lists[4]))
    full.suspects.add(batch_of(lists[5], 35.0))
    return full, [document for documents in lists for document in documents]


def test_each_place_counts_once(tmp_path: Path) -> None:
    full, documents = filled(tmp_path)

    assert full.documents == len(documents) == 21
    assert full.waiting == 1 + 2 + 3 + 6
    assert full.by_service() == {f"service {count}": count for count in range(1, 7)}


def test_the_oldest_may_be_anywhere(tmp_path: Path) -> None:
    full, _ = filled(tmp_path)

    assert full.oldest(99.0) == 20.0
    full.in_flight.clear()
    assert full.oldest(99.0) == 30.0
    assert inventory(tmp_path).oldest(99.0) == 99.0


def test_only_what_waits_can_be_taken_out(tmp_path: Path) -> None:
    full, documents = filled(tmp_path)

    removed = full.remove_waiting(lambda document: True)

    assert set(removed) == set(documents[:6] + documents[15:])
    assert full.documents == 9


def test_after_clearing_nothing_is_anywhere(tmp_path: Path) -> None:
    full, documents = filled(tmp_path)

    left = full.clear()

    assert set(left) == set(documents)
    assert len(left) == len(documents)
    assert full.documents == 0

"""Batches keep order and limits, and no document is lost or doubled on the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.delivery.batch import (
    GROW_AFTER_BATCHES,
    Batcher,
    batch_of,
    body_bytes,
    cost_of,
    halves,
    is_given_up,
)
from ptingest.model.document import Document
from tests.fakes.sink import Window

sizes = st.lists(st.integers(0, 30), min_size=1, max_size=30)


def documents_of(sizes: list[int]) -> list[Document]:
    window = Window()
    return [window.documents(1, body=b"x" * size)[0] for size in sizes]


def batcher(*, documents: int = 10, size: int = 50) -> Batcher:
    return Batcher(max_documents=documents, max_bytes=size, max_age_seconds=0.1)


@given(st.lists(sizes, max_size=10), st.integers(1, 12), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
@pytest.mark.slow
def test_batches_are_what_came_in_order_and_within_limits(
    lists: list[list[int]], max_documents: int, max_bytes: int
) -> None:
    fresh = batcher(documents=max_documents, size=max_bytes)
    put = [documents_of(one) for one in lists]
    for documents in put:
        fresh.add(documents, 0.0)

    batches = []
    while fresh:
        batches.append(fresh.take())

    assert [d for batch in batches for d in batch.documents] == [d for one in put for d in one]
    for batch in batches:
        assert 1 <= len(batch.documents) <= max_documents
        assert batch.size == body_bytes(batch.documents)
        assert batch.size <= max_bytes or len(batch.documents) == 1
    assert (fresh.documents, fresh.size) == (0, 0)


@pytest.mark.parametrize(
    ("sizes", "now", "is_due"),
    [
        pytest.param([1], 0.05, False, id="young and small"),
        pytest.param([1], 0.1, True, id="old"),
        pytest.param([1] * 10, 0.0, True, id="full by count"),
        pytest.param([25, 25], 0.0, True, id="full by bytes"),
    ],
)
def test_the_first_limit_reached_closes_a_batch(sizes: list[int], now: float, is_due: bool) -> None:
    fresh = batcher()
    fresh.add(documents_of(sizes), 0.0)

    assert fresh.is_due(now) is is_due


def test_an_empty_batcher_is_never_due() -> None:
    fresh = batcher()
    fresh.add([], 0.0)

    assert not fresh
    assert not fresh.is_due(1e9)
    assert fresh.closes_at is None
    assert fresh.oldest is None


def test_age_counts_from_the_oldest_that_is_left() -> None:
    fresh = batcher(documents=2)
    fresh.add(documents_of([1, 1, 1]), 5.0)
    fresh.add(documents_of([1]), 7.0)

    first = fresh.take()

    assert (first.since, fresh.oldest, fresh.closes_at) == (5.0, 5.0, 5.1)


def test_lists_that_were_put_are_never_changed() -> None:
    fresh, put = batcher(documents=2), documents_of([1] * 5)
    before = list(put)
    fresh.add(put, 0.0)

    fresh.take()
    fresh.remove(lambda document: document is before[3])

    assert put == before


@given(sizes, st.sets(st.integers(0, 29)))
@settings(max_examples=100, deadline=None)
def test_what_is_removed_and_what_stays_is_everything(one: list[int], unwanted: set[int]) -> None:
    fresh, documents = batcher(), documents_of(one)
    fresh.add(documents[:7], 0.0)
    fresh.add(documents[7:], 0.0)
    gone = {documents[index] for index in unwanted if index < len(documents)}

    removed = fresh.remove(lambda document: document in gone)

    kept = [document for waiting in fresh.lists() for document in waiting]
    assert set(removed) == gone
    assert len(removed) == len(gone)
    assert kept == [document for document in documents if document not in gone]
    assert (fresh.documents, fresh.size) == (len(kept), body_bytes(kept))


@given(sizes)
@settings(max_examples=100, deadline=None)
def test_halves_are_the_whole_and_each_is_smaller(one: list[int]) -> None:
    batch = batch_of(documents_of(one), 3.0)

    parts = halves(batch)

    assert [d for part in parts for d in part.documents] == batch.documents
    assert all(part.size == body_bytes(part.documents) for part in parts)
    assert all(part.documents and part.since == 3.0 for part in parts)
    assert len(parts) == min(2, len(one))


def test_a_size_refused_halves_the_limit_and_never_raises_it() -> None:
    fresh = batcher(size=1000)

    fresh.shrink(800)
    fresh.shrink(900)
    fresh.shrink(2)
    fresh.shrink(1)

    assert fresh.max_bytes == 1


def test_many_batches_near_the_limit_raise_it_again_up_to_the_setting() -> None:
    fresh = batcher(size=1000)
    fresh.shrink(800)

    limits = []
    for _ in range(3):
        for _ in range(GROW_AFTER_BATCHES):
            fresh.note_taken(fresh.max_bytes // 2)
        limits.append(fresh.max_bytes)

    assert limits == [800, 1000, 1000]


def test_small_batches_and_new_refusals_do_not_raise_the_limit() -> None:
    fresh = batcher(size=1000)
    fresh.shrink(800)

    for _ in range(GROW_AFTER_BATCHES):
        fresh.note_taken(100)
    for _ in range(GROW_AFTER_BATCHES - 1):
        fresh.note_taken(400)
    fresh.shrink(800)
    fresh.note_taken(400)

    assert fresh.max_bytes == 400


def test_a_refusal_of_less_than_was_taken_does_not_shrink_below_that() -> None:
    fresh = batcher(size=1000)
    fresh.note_taken(700)

    fresh.shrink(900)
    after_larger = fresh.max_bytes
    fresh.shrink(20)
    after_smaller = fresh.max_bytes

    assert (after_larger, after_smaller) == (700, 350)


def test_a_sink_that_means_it_is_believed_soon_whatever_it_took_before() -> None:
    fresh = batcher(size=1000)
    fresh.note_taken(900)

    refusals = 0
    while fresh.max_bytes > 30:
        fresh.shrink(min(fresh.max_bytes, 31))
        refusals += 1

    assert refusals <= 6


def test_where_batches_are_aimed_smaller_a_refusal_learns_the_limit_all_the_same() -> None:
    fresh = batcher(size=1000)
    fresh.aim(10, 200)
    small = (fresh.max_documents, fresh.max_bytes)

    fresh.shrink(100)
    shrunk = fresh.max_bytes
    fresh.aim(100, 1000)

    assert (small, shrunk, fresh.max_bytes) == ((10, 200), 50, 50)


def test_a_batch_knows_whether_it_was_full() -> None:
    fresh = batcher(documents=2)
    fresh.add(documents_of([1, 1, 1]), 0.0)

    assert [fresh.take().is_full, fresh.take().is_full] == [True, False]


def test_the_cost_is_the_sum_of_what_each_was_charged() -> None:
    documents = documents_of([0, 5, 17])

    assert cost_of(documents) == sum(document.cost for document in documents)


def test_documents_of_a_failed_window_are_lost() -> None:
    window = Window()
    (document,) = window.documents(1)
    before = is_given_up(document)
    window.receipt.fail("closed")

    assert (before, is_given_up(document)) == (False, True)

"""Receipts track when all events of a window are settled."""

from __future__ import annotations

import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.model.receipt import Receipt


class Closings:
    """Counts how often receipts closed, and how."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    def __call__(self, receipt: Receipt) -> None:
        self.seen.append(receipt.failed)


@pytest.fixture
def closings() -> Closings:
    return Closings()


def test_an_empty_window_closes_when_it_is_sealed(closings: Closings) -> None:
    Receipt(closings).seal()

    assert closings.seen == [None]


def test_settling_everything_before_the_seal_does_not_close(closings: Closings) -> None:
    receipt = Receipt(closings)

    receipt.expect(2)
    receipt.settle(2)

    assert closings.seen == []
    assert not receipt.closed


def test_it_closes_with_the_last_fate_once_sealed(closings: Closings) -> None:
    receipt = Receipt(closings)

    receipt.expect(3)
    receipt.seal()
    receipt.settle(2)
    still_open = receipt.open
    receipt.settle(1)

    assert still_open == 1
    assert closings.seen == [None]


def test_a_failure_closes_at_once_and_keeps_its_first_reason(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.expect(3)

    receipt.fail("dead letters full")
    receipt.fail("something else")

    assert closings.seen == ["dead letters full"]


def test_what_settles_after_a_failure_changes_nothing(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.expect(2)
    receipt.fail("peer gone")

    receipt.settle(2)
    receipt.seal()

    assert closings.seen == ["peer gone"]


def test_a_failure_after_the_ack_was_earned_changes_nothing(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.seal()

    receipt.fail("too late")

    assert closings.seen == [None]
    assert receipt.failed is None


def test_more_cannot_be_promised_after_the_seal(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.expect(1)
    receipt.seal()

    with pytest.raises(AssertionError, match="expect after seal"):
        receipt.expect(1)


def test_more_cannot_be_settled_than_was_promised(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.expect(1)

    with pytest.raises(AssertionError, match="more settled than expected"):
        receipt.settle(2)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=10), st.integers(0, 10), st.none() | st.integers(0, 20))
def test_whatever_the_order_it_closes_exactly_once(
    counts: list[int], sealed_at: int, failed_at: int | None
) -> None:
    closings = Closings()
    receipt = Receipt(closings)
    receipt.expect(sum(counts))

    for step, count in enumerate([*counts, *[0] * (21 - len(counts))]):
        if step == sealed_at:
            receipt.seal()
        if step == failed_at:
            receipt.fail("reason")
        receipt.settle(count)

    assert len(closings.seen) == 1
    assert receipt.open == 0


def test_who_wants_to_know_is_told_every_fate(closings: Closings) -> None:
    receipt = Receipt(closings)
    receipt.fates = []
    receipt.expect(3)

    receipt.settle(2, "stored")
    receipt.settle(1, "dead_lettered")

    assert receipt.fates == ["stored", "stored", "dead_lettered"]


@pytest.mark.parametrize("end", ["settled", "failed"])
def test_a_closed_receipt_keeps_nobody_alive(end: str) -> None:
    told = Closings()
    receipt, alive = Receipt(told), weakref.ref(told)
    receipt.seal() if end == "settled" else receipt.fail("x")

    del told

    assert receipt.closed
    assert alive() is None

"""A document that fails while others pass is tried for so long, and an outage ends nobody."""

from __future__ import annotations

from ptingest.delivery.failing_documents import (
    BUSY_FAILURES,
    FAILURES,
    QUIET_SECONDS,
    FailingDocuments,
)
from tests.fakes.sink import Window

ONE, OTHER = Window().documents(2)


def over_at(
    patience: FailingDocuments,
    *,
    taken: int,
    returned: int,
    is_busy: bool = False,
    step: float = 1.0,
) -> float | None:
    """Fail once a step, others passing as told; when patience is over, None after 500 steps."""
    for number in range(500):
        patience.note_answer(taken=taken, returned=returned)
        if patience.is_over(ONE, number * step, is_busy=is_busy):
            return number * step
    return None


def test_it_ends_after_its_seconds_while_others_pass() -> None:
    assert over_at(FailingDocuments(20.0), taken=1, returned=0) == 20.0


def test_it_ends_only_after_some_failures_however_far_apart_they_are() -> None:
    assert over_at(FailingDocuments(20.0), taken=1, returned=0, step=50.0) == (FAILURES - 1) * 50.0


def test_it_never_ends_while_nobody_passes() -> None:
    assert over_at(FailingDocuments(20.0), taken=0, returned=5) is None


def test_an_outage_in_between_begins_it_anew() -> None:
    patience = FailingDocuments(20.0)
    for second in range(10):
        patience.note_answer(taken=1, returned=0)
        patience.is_over(ONE, second)
    for second in range(10, 10 + int(QUIET_SECONDS)):
        patience.is_over(ONE, second)

    patience.note_answer(taken=1, returned=0)

    assert not patience.is_over(ONE, 10 + QUIET_SECONDS)
    assert patience.seconds_left(ONE, 10 + QUIET_SECONDS) > 15


def test_a_busy_document_ends_only_while_most_others_pass() -> None:
    # Its own return is among those heard of.
    assert over_at(FailingDocuments(5.0), taken=30, returned=10, is_busy=True) == BUSY_FAILURES - 1
    assert over_at(FailingDocuments(5.0), taken=10, returned=30, is_busy=True) is None


def test_what_is_settled_is_forgotten() -> None:
    patience = FailingDocuments(20.0)
    for document in (ONE, OTHER):
        patience.is_over(document, 0.0)

    patience.forget([ONE])

    assert len(patience) == 1
    assert (patience.failures(ONE), patience.failures(OTHER)) == (0, 1)

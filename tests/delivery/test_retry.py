"""Backoff grows, is capped and forgotten; what waits goes when it is due."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.delivery.batch import Batch, batch_of
from ptingest.delivery.retry import Backoff, RetryQueue, backoff_seconds
from tests.fakes.sink import Window


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
@settings(max_examples=200, deadline=None)
def test_backoff_is_between_half_and_all_of_the_doubled_time(tries: int, chance: float) -> None:
    seconds = backoff_seconds(tries, initial=0.25, maximum=10, chance=chance)

    whole = min(10, 0.25 * 2 ** min(max(tries, 1) - 1, 60))
    assert whole / 2 <= seconds <= whole


@pytest.mark.parametrize(
    ("retry_after", "until"),
    [
        pytest.param(None, 10.125, id="our own backoff"),
        pytest.param(3.0, 13.0, id="the sink asks for more"),
        pytest.param(0.01, 10.125, id="the sink asks for less"),
    ],
)
def test_a_failure_keeps_the_lane_quiet(retry_after: float | None, until: float) -> None:
    backoff = Backoff(initial_seconds=0.25, max_seconds=10)

    backoff.failed(10.0, 0.0, retry_after)

    assert backoff.until == until


def test_the_first_success_forgets_all_failures() -> None:
    backoff = Backoff(initial_seconds=0.25, max_seconds=10)
    for _ in range(20):
        backoff.failed(0.0, 0.99, None)
    longest = backoff.until

    had_failed = backoff.succeeded()

    assert 5 <= longest <= 10
    assert had_failed
    assert (backoff.failures, backoff.until) == (0, 0.0)
    assert not backoff.succeeded()


def test_a_later_shorter_wait_does_not_shorten_what_was_asked_for() -> None:
    backoff = Backoff(initial_seconds=0.25, max_seconds=10)

    backoff.failed(0.0, 0.0, 60.0)
    backoff.failed(1.0, 0.0, None)

    assert backoff.until == 60.0


def batch(count: int = 1, *, due: float = 0.0, since: float = 0.0, is_alone: bool = False) -> Batch:
    one = batch_of(Window().documents(count, body=b"12345"), since)
    one.due, one.is_alone = due, is_alone
    return one


def take(queue: RetryQueue, now: float) -> Batch | None:
    return queue.take(now, max_documents=10, max_bytes=100)


def test_nothing_goes_before_it_is_due() -> None:
    queue = RetryQueue()
    queue.add(batch(due=5.0))

    assert take(queue, 4.9) is None
    assert queue.next_due == 5.0
    assert take(queue, 5.0) is not None
    assert not queue
    assert queue.next_due is None


def test_what_is_due_goes_together_within_the_limits() -> None:
    queue = RetryQueue()
    batches = [batch(6, due=2.0), batch(3, due=1.0, since=7.0), batch(2, due=3.0), batch(1, due=9)]
    queue.add_all(batches)

    first, second = take(queue, 5.0), take(queue, 5.0)

    assert first is not None
    assert second is not None
    assert first.documents == batches[1].documents + batches[0].documents
    assert first.since == 0.0
    assert second.documents == batches[2].documents
    assert len(queue) == 1


def test_a_batch_that_must_stay_alone_is_not_joined() -> None:
    queue = RetryQueue()
    queue.add_all([batch(due=1.0), batch(due=2.0, is_alone=True), batch(due=3.0)])

    taken = [take(queue, 5.0), take(queue, 5.0)]

    assert [len(one.documents) for one in taken if one] == [2, 1]


def test_a_recovered_sink_makes_due_only_what_waited_for_it() -> None:
    queue = RetryQueue()
    sinks, own = batch(due=50.0), batch(due=60.0)
    sinks.waits_for_sink = True
    queue.add_all([sinks, own])

    queue.hasten()

    assert queue.next_due == 0.0
    assert own.due == 60.0
    queue.hasten(everything=True)
    assert own.due == 0.0


def test_removed_documents_leave_their_batch_and_empty_batches_the_queue() -> None:
    queue = RetryQueue()
    whole, part = batch(2), batch(3, since=4.0)
    queue.add_all([whole, part])
    unwanted = {*whole.documents, part.documents[0]}

    removed = queue.remove(lambda document: document in unwanted)

    assert set(removed) == unwanted
    assert queue.lists() == [part.documents]
    assert (len(queue), part.size, queue.oldest) == (2, 10, 4.0)

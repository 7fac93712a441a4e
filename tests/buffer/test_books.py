"""The books of the buffer balance whatever becomes of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ptingest.buffer.books import BufferBooks
from ptingest.telemetry.metrics import Metrics

FATES = ("appended", "dead_lettered", "given_back")


@given(st.lists(st.tuples(st.integers(1, 1000), st.sampled_from((*FATES, "outstanding")))))
def test_received_is_the_sum_of_all_fates_and_what_is_outstanding(events) -> None:
    metrics = Metrics()
    books = BufferBooks(metrics)

    for count, fate in events:
        books.receive(count)
        if fate == "appended":
            books.append(count, 100, 0.1)
        elif fate == "dead_lettered":
            books.dead_letter(count)
        elif fate == "given_back":
            books.give_back(count)

    row = books.row()
    assert row.pop("received") == sum(row.values()) == sum(count for count, _ in events)
    for fate in FATES:
        assert metrics.value(f"ptingest_buffer_{fate}_events_total") == row[fate]

"""What may be committed never lies behind a record that is not safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.sources.kafka.offsets import PartitionOffsets, Run


def test_only_what_is_safe_with_all_before_it_may_be_committed() -> None:
    offsets = PartitionOffsets()
    first, second, third = (offsets.begin(at, at + 10, 1.0) for at in (100, 110, 120))

    seen = []
    for run in (third, first, second):
        offsets.settle(run)
        seen.append(offsets.safe)

    assert seen == [100, 110, 130]


def test_a_gap_in_the_offsets_is_part_of_the_run_before_it() -> None:
    offsets = PartitionOffsets()
    first = offsets.begin(0, 3, 1.0)
    second = offsets.begin(7, 9, 1.0)

    offsets.settle(first)
    assert offsets.safe == 3
    offsets.settle(second)
    assert offsets.safe == 9


def test_an_end_without_a_record_is_safe_with_all_before_it() -> None:
    offsets = PartitionOffsets()

    seen = []
    offsets.reach(5)
    seen.append(offsets.safe)
    run = offsets.begin(5, 8, 1.0)
    offsets.reach(9)  # offset 8 is a mark of a transaction
    seen.append(offsets.safe)
    offsets.settle(run)
    seen.append(offsets.safe)
    offsets.reach(11)
    offsets.reach(9)
    seen.append(offsets.safe)

    assert seen == [5, 5, 9, 11]
    assert offsets.unsafe == 11


def test_an_end_that_was_read_behind_a_run_that_failed_is_read_again() -> None:
    offsets = PartitionOffsets()
    offsets.begin(0, 3, 1.0)
    offsets.reach(4)

    assert offsets.restart() == 0
    assert offsets.safe == 0


def test_reading_begins_again_at_the_first_record_that_is_not_safe() -> None:
    offsets = PartitionOffsets()
    first, second, third = (offsets.begin(at, at + 10, 1.0) for at in (0, 10, 20))
    offsets.settle(first)
    offsets.settle(third)

    again = offsets.restart()

    assert again == 10
    run = offsets.begin(10, 30, 2.0)
    offsets.settle(second)  # of the runs that were forgotten
    assert offsets.safe == 10
    offsets.settle(run)
    assert offsets.safe == 30


def test_where_nothing_failed_reading_goes_on_where_it_was() -> None:
    offsets = PartitionOffsets()
    offsets.settle(offsets.begin(5, 8, 1.0))

    assert offsets.unsafe == 8
    assert offsets.restart() == 8


def test_a_beginning_may_be_committed_before_anything_is_read() -> None:
    offsets = PartitionOffsets()
    assert offsets.safe is None
    assert offsets.unsafe is None

    offsets.begin_at(40)

    assert offsets.safe == 40


def test_a_topic_that_lost_records_is_read_from_where_it_begins_now() -> None:
    offsets = PartitionOffsets()
    offsets.settle(offsets.begin(1000, 1005, 1.0))
    under_way = offsets.begin(1005, 1010, 2.0)

    offsets.begin_at(0)
    again = offsets.begin(0, 3, 3.0)
    offsets.settle(under_way)
    assert offsets.safe == 0
    offsets.settle(again)

    assert offsets.safe == 3


@pytest.mark.parametrize(("first", "following"), [(9, 12), (12, 12), (13, 11)])
def test_records_out_of_order_are_a_bug(first: int, following: int) -> None:
    offsets = PartitionOffsets()
    offsets.begin(0, 10, 1.0)

    with pytest.raises(AssertionError):
        offsets.begin(first, following, 1.0)


def test_the_oldest_run_is_the_first_that_is_not_safe() -> None:
    offsets = PartitionOffsets()
    assert offsets.oldest_began_at is None
    first = offsets.begin(0, 1, 10.0)
    offsets.begin(1, 2, 20.0)
    assert offsets.oldest_began_at == 10.0

    offsets.settle(first)

    assert offsets.oldest_began_at == 20.0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 5), st.integers(0, 3)),
        st.tuples(st.just("settle"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_nothing_is_committed_past_a_record_that_is_not_safe(
    steps: list[tuple[str, int, int]],
) -> None:
    """A model: which offsets are safe. Whatever happens, all before ``safe`` are, and nothing
    between is left out when reading begins again."""
    offsets = PartitionOffsets()
    runs: list[Run] = []
    records: set[int] = set()  # every offset that holds a record
    safe: set[int] = set()
    position = end = 0
    for what, number, gap in steps:
        if what == "read":
            # What was read before is there still when it is read again.
            if position >= end:
                found = range(end + gap, end + gap + number)
                records.update(found)
                end = found[-1] + 1
            batch = sorted(at for at in records if at >= position)[:number]
            runs.append(offsets.begin(batch[0], batch[-1] + 1, 1.0))
            position = batch[-1] + 1
        elif what == "settle" and runs:
            run = runs.pop(number % len(runs))
            safe.update(range(run.first, run.following))
            offsets.settle(run)
        elif what == "restart" and offsets.unsafe is not None:
            position = offsets.restart() or 0
            runs.clear()
            assert all(at in safe for at in records if at < position)

        if offsets.safe is not None:
            assert all(at in safe for at in records if at < offsets.safe)
            assert offsets.unsafe is not None
            assert offsets.safe <= offsets.unsafe

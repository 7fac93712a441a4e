"""A batch that nobody answers is cut only where others get answers."""

from __future__ import annotations

from ptingest.delivery.batch import PARTS, Batch, batch_of
from ptingest.delivery.isolation import (
    LAST_CHANCE,
    SLOW_SECONDS,
    SMALLEST_LIMIT_BYTES,
    TRIES,
    USUALLY,
    Isolation,
    Unanswered,
)
from tests.fakes.sink import Window


def batch(count: int = 100, body: bytes = b"x" * 1000) -> Batch:
    return batch_of(Window().documents(count, body=body), 0.0)


def fail(isolation: Isolation, one: Batch, times: int, *, others: bool) -> Unanswered:
    """Fail at once, ``times`` running, with or without an answer to something else."""
    found = Unanswered([], [], is_its_own=False)
    for number in range(times):
        began = 10.0 + number
        if others:
            isolation.answered(batch(1), began + 0.1, began + 0.2)
        found = isolation.unanswered(one, began, began + 0.3)
    return found


def test_a_batch_that_fails_at_once_is_cut_after_some_tries_while_others_are_answered() -> None:
    isolation, one = Isolation(), batch()

    first = fail(isolation, one, 1, others=True)
    last = fail(isolation, one, TRIES - 1, others=True)

    assert (first.again, first.suspects, first.is_its_own) == ([one], [], True)
    assert len(last.suspects) == PARTS
    assert [d for part in last.suspects for d in part.documents] == one.documents
    assert all(part.is_suspect and part.is_alone for part in last.suspects)


def test_a_batch_that_is_silent_is_cut_at_once() -> None:
    isolation, one = Isolation(), batch()
    isolation.answered(batch(1), 11.0, 11.1)

    found = isolation.unanswered(one, 10.0, 10.0 + SLOW_SECONDS)

    assert len(found.suspects) == PARTS


def test_a_sink_that_says_it_is_well_is_enough_to_cut_what_is_silent_and_no_proof_of_more() -> None:
    isolation, one = Isolation(), batch()
    isolation.note_healthy(12.0)

    found = isolation.unanswered(one, 10.0, 10.0 + SLOW_SECONDS)

    assert len(found.suspects) == PARTS
    assert not found.is_its_own


def test_in_an_outage_only_a_small_part_goes_ahead_one_at_a_time() -> None:
    isolation, one, other = Isolation(), batch(), batch()

    found = fail(isolation, one, TRIES, others=False)
    later = fail(isolation, other, TRIES, others=False)

    assert [len(part.documents) for part in found.suspects] == [7]
    assert [len(rest.documents) for rest in found.again] == [93]
    assert not found.is_its_own
    assert (later.again, later.suspects) == ([other], [])


def test_a_part_that_went_ahead_and_is_answered_speaks_against_the_rest() -> None:
    isolation, one = Isolation(), batch()
    (ahead,), (rest,) = reversed(fail(isolation, one, TRIES, others=False)[:2])

    assert isolation.answered(ahead, 20.0, 20.1) is None
    rest.unanswered = TRIES
    found = isolation.unanswered(rest, 19.0, 20.2)

    assert len(found.suspects) == PARTS


def test_when_all_parts_are_answered_it_was_the_size() -> None:
    isolation, one = Isolation(), batch()
    parts = fail(isolation, one, TRIES, others=True).suspects

    sizes = [isolation.answered(part, 30.0, 30.1) for part in parts]

    assert sizes == [None] * (PARTS - 1) + [one.size]


def test_where_a_part_had_been_stored_the_sink_was_slow_and_no_size_is_at_fault() -> None:
    isolation, one = Isolation(), batch()
    first, *others = fail(isolation, one, TRIES, others=True).suspects

    isolation.answered(first, 30.0, 30.1, was_stored=True)
    sizes = [isolation.answered(part, 30.0, 30.1) for part in others]

    assert sizes == [None] * len(others)


def test_where_one_part_is_not_answered_it_was_not_the_size_alone() -> None:
    isolation, one = Isolation(), batch()
    bad, *good = fail(isolation, one, TRIES, others=True).suspects
    isolation.unanswered(bad, 30.0, 30.1)

    assert {isolation.answered(part, 30.0, 30.1) for part in good} == {None}


def test_a_small_batch_is_never_taken_for_too_large() -> None:
    isolation, one = Isolation(), batch(10, b"x")
    parts = fail(isolation, one, TRIES, others=True).suspects

    assert one.size < SMALLEST_LIMIT_BYTES
    assert {isolation.answered(part, 30.0, 30.1) for part in parts} == {None}


def test_one_document_is_not_cut_and_stands_alone_from_then_on() -> None:
    isolation, one = Isolation(), batch(1)

    first = fail(isolation, one, 1, others=True)
    last = fail(isolation, one, TRIES, others=True)

    assert first.again == [one]
    assert last.suspects == [one]


def test_how_long_silence_may_last_follows_from_what_is_usual() -> None:
    isolation, suspect = Isolation(), batch(1)
    quick = isolation.limit_seconds
    isolation.answered(batch(1), 0.0, 4.0)

    assert quick == SLOW_SECONDS
    assert isolation.limit_seconds == USUALLY * 4.0
    assert isolation.suspect_seconds(suspect) == USUALLY * 4.0
    suspect.unanswered = TRIES
    assert isolation.suspect_seconds(suspect) == LAST_CHANCE * USUALLY * 4.0

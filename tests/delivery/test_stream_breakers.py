"""A data stream in trouble is set aside, tried with small probes, and given up in time."""

from __future__ import annotations

import pytest

from ptingest.delivery.batch import batch_of
from ptingest.delivery.outcomes import outcomes_of
from ptingest.delivery.retry import Backoff
from ptingest.delivery.stream_breakers import (
    FORGET_SECONDS,
    PROBE_DOCUMENTS,
    PROBE_SECONDS,
    StreamBreakers,
)
from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import WriteResult
from tests.fakes.sink import CELERY, DJANGO, Window, refuse

PATIENCE = 300.0


def streams(share_bytes: int = 1 << 20) -> StreamBreakers:
    backoff = Backoff(initial_seconds=0.25, max_seconds=10)
    return StreamBreakers(
        "fake", backoff=backoff, patience_seconds=PATIENCE, share_bytes=lambda: share_bytes
    )


def documents(count: int, data_stream: DataStream = CELERY) -> list[Document]:
    return Window().documents(count, data_stream=data_stream)


def in_trouble(count: int, *, share_bytes: int = 1 << 20) -> StreamBreakers:
    troubled = streams(share_bytes)
    assert troubled.hold(refuse(documents(count), "template_missing"), 0.0, 0.0) == []
    return troubled


def held(troubled: StreamBreakers) -> int:
    return sum(map(len, troubled.lists()))


def test_trouble_of_one_stream_holds_its_fresh_documents_and_no_others() -> None:
    troubled = in_trouble(3)
    batch = batch_of(documents(2) + documents(2, DJANGO), 0.0)

    refused = troubled.divert(batch, 0.1)

    assert refused == []
    assert [document.target for document in batch.documents] == [DJANGO, DJANGO]
    assert batch.size == sum(len(document.body) for document in batch.documents)
    assert held(troubled) == 5


def test_one_small_probe_at_a_time_goes_when_it_is_due() -> None:
    troubled = in_trouble(40)
    early = troubled.next_probe(0.01)
    probe = troubled.next_probe(1.0)
    second = troubled.next_probe(100.0)

    assert early is None
    assert probe is not None
    assert (len(probe.documents), probe.probes) == (PROBE_DOCUMENTS, CELERY)
    assert second is None
    assert held(troubled) == 40 - PROBE_DOCUMENTS


def test_a_probe_that_is_taken_ends_the_trouble_and_frees_the_rest() -> None:
    troubled = in_trouble(40)
    probe = troubled.next_probe(1.0)
    assert probe is not None

    rest = troubled.note_probe(probe, outcomes_of(probe.documents, WriteResult()), 2.0, 0.0)

    assert rest is not None
    assert len(rest.documents) == 40 - PROBE_DOCUMENTS
    assert not troubled


def test_a_probe_that_fails_waits_longer_for_the_next() -> None:
    troubled = in_trouble(5)
    waits, now = [], 0.0
    for _ in range(12):
        assert troubled.next_probe_at is not None
        waits.append(troubled.next_probe_at - now)
        now = troubled.next_probe_at
        probe = troubled.next_probe(now)
        assert probe is not None
        outcomes = outcomes_of(probe.documents, WriteResult(stream_busy=refuse(probe.documents)))
        troubled.note_probe(probe, outcomes, now, 0.0)
        troubled.hold(outcomes.stream_busy, now, 0.0)

    assert waits == sorted(waits)
    assert waits[0] == 0.125
    assert waits[-1] == 5.0


def test_what_comes_back_while_a_probe_is_under_way_is_held_too() -> None:
    troubled = in_trouble(3)
    assert troubled.next_probe(1.0) is not None

    troubled.hold(refuse(documents(4)), 1.5, 0.0)

    assert held(troubled) == 4


def test_a_probe_without_an_answer_is_held_again_and_proves_nothing() -> None:
    troubled = in_trouble(5)
    probe = troubled.next_probe(1.0)
    assert probe is not None
    outcomes = outcomes_of(probe.documents, WriteResult(busy=probe.documents))

    rest = troubled.note_probe(probe, outcomes, 1.0, 0.0)

    assert rest is None
    assert outcomes.again == []
    assert held(troubled) == 5
    assert troubled.next_probe(10.0) is not None


def test_a_probe_too_large_is_followed_by_a_smaller_one() -> None:
    troubled = in_trouble(40)
    probe = troubled.next_probe(1.0)
    assert probe is not None

    troubled.probe_too_large(CELERY, probe.documents, 1.0)
    smaller = troubled.next_probe(1.0)

    assert smaller is not None
    assert len(smaller.documents) == PROBE_DOCUMENTS // 2


def test_when_patience_is_over_everything_held_goes_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    troubled = in_trouble(5)

    before = troubled.expire(PATIENCE - 0.1)
    refused = troubled.expire(PATIENCE)

    assert before == []
    assert {refusal.reason for refusal in refused} == {"template_missing"}
    assert (len(refused), held(troubled)) == (5, 0)
    assert "dead-letters requeue" in caplog.text
    assert troubled.expire(PATIENCE + 1) == []


def test_an_open_breaker_refuses_at_once_but_for_a_probe_now_and_then() -> None:
    troubled = in_trouble(5)
    troubled.expire(PATIENCE)

    at_once = troubled.divert(batch_of(documents(20), 0.0), PATIENCE + 1)
    later = troubled.divert(batch_of(documents(20), 0.0), PATIENCE + PROBE_SECONDS)
    probe = troubled.next_probe(PATIENCE + PROBE_SECONDS)

    assert len(at_once) == 20
    assert len(later) == 20 - PROBE_DOCUMENTS
    assert probe is not None
    outcomes = outcomes_of(probe.documents, WriteResult(stream_busy=refuse(probe.documents)))
    troubled.note_probe(probe, outcomes, PATIENCE + 31, 0.0)
    assert len(troubled.hold(outcomes.stream_busy, PATIENCE + 31, 0.0)) == PROBE_DOCUMENTS
    assert held(troubled) == 0
    assert len(troubled.divert(batch_of(documents(3), 0.0), PATIENCE + 40)) == 3


def test_an_open_breaker_without_documents_is_forgotten() -> None:
    troubled = in_trouble(5)
    troubled.expire(PATIENCE)

    troubled.expire(FORGET_SECONDS + 1)

    assert not troubled


def test_the_stream_that_holds_most_goes_first_when_the_share_is_full() -> None:
    cost = documents(1)[0].cost
    troubled = in_trouble(10, share_bytes=12 * cost)
    troubled.hold(refuse(documents(3, DJANGO)), 0.0, 0.0)

    refused = troubled.expire(0.1)

    assert {refusal.document.target for refusal in refused} == {CELERY}
    assert len(refused) == 10
    assert held(troubled) == 3


def test_removed_documents_are_held_no_longer() -> None:
    troubled = in_trouble(5)
    (stream,) = troubled
    gone = set(stream.held[:2])

    removed = troubled.remove(lambda document: document in gone)

    assert set(removed) == gone
    assert stream.held_bytes == sum(document.cost for document in stream.held)
    assert stream.status(2.0)["held_documents"] == 3


def test_times_say_when_to_look_again() -> None:
    troubled = in_trouble(1)

    before = (troubled.next_probe_at, troubled.next_expiry, troubled.oldest)
    troubled.hasten(0.0)
    probe = troubled.next_probe(0.0)

    assert before == (0.125, PATIENCE, 0.0)
    assert probe is not None
    assert (troubled.next_probe_at, troubled.oldest) == (None, None)
    assert streams().next_expiry is None


def opened(count: int = 5) -> StreamBreakers:
    troubled = in_trouble(count)
    troubled.expire(PATIENCE)
    return troubled


def test_a_stream_that_is_said_to_be_mended_is_probed_at_once_and_the_rest_waits() -> None:
    troubled = opened()

    troubled.half_open(PATIENCE + 1)
    at_once = troubled.divert(batch_of(documents(140), 0.0), PATIENCE + 1)
    probe = troubled.next_probe(PATIENCE + 1)
    assert probe is not None
    rest = troubled.note_probe(
        probe, outcomes_of(probe.documents, WriteResult()), PATIENCE + 2, 0.0
    )

    assert at_once == []
    assert len(probe.documents) == PROBE_DOCUMENTS
    assert rest is not None
    assert len(rest.documents) == 140 - PROBE_DOCUMENTS
    assert not troubled


def test_where_it_is_not_mended_the_first_probe_opens_the_breaker_again() -> None:
    troubled = opened()
    troubled.half_open(PATIENCE + 1)
    troubled.divert(batch_of(documents(140), 0.0), PATIENCE + 1)
    probe = troubled.next_probe(PATIENCE + 1)
    assert probe is not None
    outcomes = outcomes_of(probe.documents, WriteResult(stream_busy=refuse(probe.documents)))

    troubled.note_probe(probe, outcomes, PATIENCE + 2, 0.0)
    troubled.hold(outcomes.stream_busy, PATIENCE + 2, 0.0)
    refused = troubled.expire(PATIENCE + 2)

    assert len(refused) == 140
    assert [stream.is_open for stream in troubled] == [True]


def test_a_probe_sent_before_it_was_mended_does_not_count() -> None:
    troubled = opened()
    troubled.divert(batch_of(documents(3), 0.0), PATIENCE + PROBE_SECONDS)
    early = troubled.next_probe(PATIENCE + PROBE_SECONDS)
    assert early is not None

    troubled.half_open(PATIENCE + 31)
    outcomes = outcomes_of(early.documents, WriteResult(stream_busy=refuse(early.documents)))
    troubled.note_probe(early, outcomes, PATIENCE + 32, 0.0)
    refused = troubled.hold(outcomes.stream_busy, PATIENCE + 32, 0.0)

    assert refused == []
    assert troubled.expire(PATIENCE + 32) == []
    assert troubled.next_probe(PATIENCE + 32) is not None


def test_a_half_open_stream_that_gets_no_document_is_forgotten_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    troubled = opened()
    troubled.half_open(PATIENCE + 1)
    caplog.clear()

    refused = troubled.expire(2 * PATIENCE + 1)

    assert refused == []
    assert not troubled
    assert caplog.text == ""

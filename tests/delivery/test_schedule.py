"""Which batch goes next depends on what waits, on the free slots, and on whose turn it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ptingest.delivery.batch import Batch, batch_of
from ptingest.delivery.isolation import SLOW_SECONDS
from ptingest.delivery.schedule import SPARE_SLOTS
from tests.delivery.lane_parts import LaneParts
from tests.fakes.clock import ManualClock
from tests.fakes.sink import CELERY, Window, refuse

NOW = 100.0


@pytest.fixture
def parts(tmp_path: Path) -> LaneParts:
    return LaneParts(ManualClock(monotonic=NOW), tmp_path)


def retried(count: int = 10) -> Batch:
    batch = batch_of(Window().documents(count), NOW)
    batch.tries = 1
    return batch


def suspect() -> Batch:
    batch = retried(1)
    batch.is_suspect = batch.is_alone = True
    return batch


def test_retried_and_new_documents_take_turns(parts: LaneParts) -> None:
    parts.add(Window().documents(20), NOW)
    parts.retries.again.add_all([retried(), retried()])

    tries = [batch.tries for _ in range(4) if (batch := parts.send(NOW)) is not None]

    assert tries == [1, 0, 1, 0]
    assert parts.send(NOW) is None


def test_a_probe_goes_before_everything_else(parts: LaneParts) -> None:
    parts.add(Window().documents(10), NOW)
    parts.streams.hold(refuse(Window().documents(3, data_stream=CELERY)), NOW, 0.5)

    batch = parts.send(NOW + 10)

    assert batch is not None
    assert batch.probes == CELERY


def test_no_more_go_than_there_are_slots(parts: LaneParts) -> None:
    parts.add(Window().documents(100), NOW)

    sent = [parts.send(NOW) for _ in range(6)]

    assert [batch is not None for batch in sent] == [True] * 4 + [False] * 2


async def test_a_silent_write_does_not_keep_its_slot(parts: LaneParts) -> None:
    parts.add(Window().documents(100), NOW)
    for _ in range(4):
        batch = parts.send(NOW)
        assert batch is not None
        parts.attempts._deadlines.begin(batch, NOW, None)

    at_once, later = parts.send(NOW), parts.send(NOW + SLOW_SECONDS)

    assert at_once is None
    assert later is not None


def test_suspects_go_in_spare_slots_only(parts: LaneParts) -> None:
    parts.add(Window().documents(100), NOW)
    parts.retries.suspects.add_all([suspect() for _ in range(5)])

    sent = [batch for _ in range(10) if (batch := parts.send(NOW)) is not None]

    assert len(sent) == 4 + SPARE_SLOTS
    assert sum(batch.is_suspect for batch in sent) == SPARE_SLOTS


def test_during_a_backoff_nothing_goes_and_its_end_is_the_next_time(parts: LaneParts) -> None:
    parts.add(Window().documents(10), NOW)
    parts.limiter.backoff.failed(NOW, 0.5, retry_after=42.0)

    assert parts.send(NOW + 41) is None
    assert parts.schedule.next_time(NOW) == NOW + 42
    assert parts.send(NOW + 42) is not None


def test_with_nothing_to_do_there_is_no_next_time(parts: LaneParts) -> None:
    assert parts.schedule.next_time(NOW) == math.inf


def test_new_documents_of_a_stream_in_trouble_are_held_or_refused(parts: LaneParts) -> None:
    parts.streams.hold(refuse(Window().documents(1, data_stream=CELERY)), NOW - 400, 0.5)
    parts.schedule.expire(NOW)
    expired = parts.schedule.take_refused()
    window = Window()
    documents = window.documents(5) + window.documents(5, data_stream=CELERY)
    parts.add(documents, NOW)

    batch = parts.send(NOW)

    assert len(expired) == 1
    assert batch is not None
    assert batch.documents == documents[:5]
    assert [refusal.document for refusal in parts.schedule.take_refused()] == documents[5:]
    assert parts.schedule.take_refused() == []

"""New documents wait for room, and leave as a batch when that is due."""

from __future__ import annotations

import asyncio
import math

import pytest

from ptingest.delivery.batch import LARGE_ENOUGH_DOCUMENTS, Batch, batch_of
from ptingest.delivery.intake import Intake
from ptingest.delivery.linger import WAIT_SECONDS
from ptingest.model.document import Document
from tests.delivery.running_lane import lane_settings
from tests.fakes.sink import Window

NOW = 100.0
AGE = 0.1
"""After so long ``lane_settings`` closes a batch."""


def intake(*, documents: int = 10, concurrency: int = 2, is_busy: bool = False) -> Intake:
    in_flight = {batch_of(some(1), NOW)} if is_busy else set[Batch]()
    settings = lane_settings(documents=documents, concurrency=concurrency)
    return Intake(settings, in_flight=in_flight)


def some(count: int) -> list[Document]:
    return Window().documents(count)


def test_there_is_room_until_as_many_full_batches_wait_as_may_be_in_flight() -> None:
    one = intake(documents=10, concurrency=2)

    one.add(some(20), NOW)
    before = one.is_crowded
    one.add(some(1), NOW)

    assert (before, one.is_crowded) == (False, True)


@pytest.mark.parametrize("how", ["taken", "closed"])
async def test_waiting_for_room_ends_when_a_batch_is_taken_or_the_lane_is_closed(how: str) -> None:
    one = intake()
    one.add(some(21), NOW)

    waiting = asyncio.create_task(one.wait_for_room())
    await asyncio.sleep(0)  # no race: its first step ends where it waits
    one.make_room()  # there is none
    await asyncio.sleep(0)  # no race: as above
    before = waiting.done()
    if how == "taken":
        one.take(NOW)
        one.make_room()
    else:
        one.close()
    await waiting

    assert not before


def test_only_documents_that_can_make_a_batch_due_sooner_wake_the_lane() -> None:
    one = intake(documents=10)

    woken = [one.add(some(count), NOW) for count in (1, 1, 8, 1)]

    assert woken == [True, False, True, True]


def test_a_batch_is_closed_by_age_while_more_is_being_admitted() -> None:
    one = intake()
    one.add(some(1), NOW)

    assert one.take(NOW + AGE / 2) is None
    assert one.due_at() == [math.inf, NOW + AGE]
    assert one.take(NOW + AGE) is not None


def test_when_nothing_more_is_admitted_a_batch_is_sent_early() -> None:
    one = intake()
    one.add(some(3), NOW)

    woken = (one.note_idle(), one.note_idle())
    batch = one.take(NOW)

    assert woken == (True, False)
    assert batch is not None
    assert len(batch.documents) == 3


def test_a_small_batch_is_not_sent_early_while_another_is_in_flight() -> None:
    small, large = intake(is_busy=True), intake(is_busy=True, documents=1000)
    small.add(some(3), NOW)
    large.add(some(LARGE_ENOUGH_DOCUMENTS), NOW)
    small.note_idle()
    large.note_idle()

    assert small.take(NOW) is None
    assert large.take(NOW) is not None


def test_a_drain_sends_every_batch_at_once_also_those_that_come_later() -> None:
    one = intake(is_busy=True)
    one.drain()
    one.add(some(1), NOW)

    assert one.take(NOW) is not None


def test_it_tells_when_a_small_window_of_a_sender_would_leave() -> None:
    one = intake()
    first = one.small_due_at("a")
    documents = some(1)
    documents[0].receipt.sender = "a"
    one.add(documents, NOW)
    one.note_idle()
    one.take(NOW)

    assert (first, one.small_due_at("a"), one.small_due_at("b")) == (
        -math.inf, NOW, NOW + WAIT_SECONDS
    )  # fmt: skip

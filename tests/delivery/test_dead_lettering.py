"""A refused document is in the dead letters before its receipt is told, or is given back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from pydantic import ByteSize

from ptingest.dead_letters.queue import DeadLetters, read_letters
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import LETTERS_AT_ONCE, DeadLettering
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.model.outcome import Fate
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.fakes.sink import Window, fates, refuse


class Harness:
    """The dead lettering of a lane with everything around it."""

    def __init__(self, directory: Path, max_bytes: int = 1 << 20) -> None:
        self.metrics, self.budget = Metrics(), DocumentBudget(1 << 20)
        settings = DeadLettersSettings(max_bytes=ByteSize(max_bytes))
        self.letters = DeadLetters(directory, settings, ManualClock(), self.metrics)
        self.failures = 0
        self.dead_lettering = DeadLettering(
            self.letters,
            books=Books("fake", budget=self.budget, metrics=self.metrics),
            metrics=self.metrics,
            on_failed=self._count,
        )

    def _count(self) -> None:
        self.failures += 1


async def test_refused_documents_are_on_disk_and_settled(tmp_path: Path) -> None:
    harness, window = Harness(tmp_path), Window()
    documents = window.documents(2)
    window.receipt.seal()
    harness.budget.charge(sum(document.cost for document in documents))

    (part,) = harness.dead_lettering.accept(refuse(documents, "mapping"))
    held = harness.dead_lettering.lists()
    await harness.dead_lettering.write(part)

    assert held == [documents]
    assert harness.dead_lettering.lists() == []
    assert window.is_acked
    assert [stored.letter.key for stored in read_letters(tmp_path)] == window.keys
    assert fates(harness.metrics) == {Fate.DEAD_LETTERED: 2}
    name = "ptingest_flow_dead_lettered_events_total"
    assert harness.metrics.value(name, "django", "mapping") == 2
    await harness.letters.close()


async def test_where_one_peer_may_keep_no_more_another_is_not_given_back_with_it(
    tmp_path: Path,
) -> None:
    harness, loud, quiet = Harness(tmp_path, max_bytes=3000), Window(), Window()
    documents = [
        *(replace(one, peer="192.0.2.7:1") for one in loud.documents(10)),
        *(replace(one, peer="192.0.2.8:1") for one in quiet.documents(1)),
    ]
    quiet.receipt.seal()
    harness.budget.charge(sum(document.cost for document in documents))

    for part in harness.dead_lettering.accept(refuse(documents)):
        await harness.dead_lettering.write(part)

    assert "this Beat alone" in str(loud.receipt.failed)
    assert quiet.is_acked
    assert harness.letters.trouble is None
    await harness.letters.close()


async def test_without_room_the_documents_are_given_back(tmp_path: Path) -> None:
    harness, window = Harness(tmp_path, max_bytes=10), Window()
    documents = window.documents(2)
    harness.budget.charge(sum(document.cost for document in documents))

    (part,) = harness.dead_lettering.accept(refuse(documents))
    await harness.dead_lettering.write(part)

    assert "dead_letters.max_bytes" in str(window.receipt.failed)
    assert fates(harness.metrics) == {Fate.GIVEN_BACK: 2}
    assert (harness.failures, harness.budget.outstanding) == (1, 0)
    await harness.letters.close()


async def test_a_cancelled_write_keeps_its_documents_until_they_are_cleared(
    tmp_path: Path,
) -> None:
    harness, window = Harness(tmp_path), Window()
    documents = window.documents(1)
    (part,) = harness.dead_lettering.accept(refuse(documents))

    task = asyncio.create_task(harness.dead_lettering.write(part))
    await asyncio.sleep(0)  # no race: its first turn ends where a thread begins
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert harness.dead_lettering.lists() == [documents]
    assert not window.closed
    harness.dead_lettering.clear()
    assert harness.dead_lettering.lists() == []
    await harness.letters.close()


def test_many_documents_go_in_parts(tmp_path: Path) -> None:
    harness = Harness(tmp_path)

    parts = harness.dead_lettering.accept(refuse(Window().documents(LETTERS_AT_ONCE + 1)))

    assert [len(part) for part in parts] == [LETTERS_AT_ONCE, 1]
    assert harness.dead_lettering.accept([]) == []

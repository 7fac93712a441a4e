"""Every document leaves a lane once, and nothing is remembered of it afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.dead_letters.queue import read_letters
from ptingest.delivery.outcomes import outcomes_of
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, WriteResult
from tests.delivery.lane_parts import LaneParts
from tests.fakes.clock import ManualClock
from tests.fakes.sink import Window, fates, refuse


@pytest.fixture
def parts(tmp_path: Path) -> LaneParts:
    return LaneParts(ManualClock(), tmp_path)


def charged(parts: LaneParts, window: Window, count: int) -> list[Document]:
    documents = window.documents(count)
    window.receipt.seal()
    parts.budget.charge(sum(document.cost for document in documents))
    return documents


def test_what_is_safe_closes_its_receipt_and_frees_the_budget(parts: LaneParts) -> None:
    window = Window()
    documents = charged(parts, window, 3)

    parts.settlement.settle(
        outcomes_of(documents, WriteResult(already_stored=documents[:1], dropped=documents[1:2]))
    )

    assert window.is_acked
    assert fates(parts.metrics) == {Fate.ALREADY_STORED: 1, Fate.DROPPED: 1, Fate.STORED: 1}
    assert parts.budget.outstanding == 0


def test_doubt_is_remembered_until_an_attempt_is_certain(parts: LaneParts) -> None:
    documents = Window().documents(3)
    settlement = parts.settlement

    settlement.note_doubt(outcomes_of(documents, WriteResult(doubtful=documents)))
    in_doubt = settlement.doubtful_among(documents[1:])
    settlement.note_doubt(outcomes_of(documents, WriteResult(busy=documents[:1])))

    assert in_doubt == set(documents[1:])
    assert settlement.doubtful_among(documents) == {documents[0]}
    assert settlement.doubtful == 1


def test_given_back_documents_are_not_acked_and_forgotten(parts: LaneParts) -> None:
    window = Window()
    documents = charged(parts, window, 2)
    parts.settlement.note_doubt(outcomes_of(documents, WriteResult(doubtful=documents)))
    parts.retries.failing.is_over(documents[0], 0.0)

    parts.settlement.give_back(documents, "the connection closed")

    assert window.receipt.failed == "the connection closed"
    assert fates(parts.metrics) == {Fate.GIVEN_BACK: 2}
    assert (parts.settlement.doubtful, len(parts.retries.failing)) == (0, 0)


async def test_a_refused_document_becomes_a_dead_letter_unless_its_window_is_given_up(
    parts: LaneParts, tmp_path: Path
) -> None:
    kept, given_up = Window(), Window()
    documents = charged(parts, kept, 1) + charged(parts, given_up, 1)
    given_up.receipt.fail("the connection closed")

    for part in parts.settlement.refuse(refuse(documents)):
        await parts.settlement.write_letters(part)

    assert [stored.letter.key for stored in read_letters(tmp_path)] == kept.keys
    assert kept.is_acked
    assert fates(parts.metrics) == {Fate.DEAD_LETTERED: 1, Fate.GIVEN_BACK: 1}
    await parts.letters.close()

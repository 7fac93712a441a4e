"""Every document of a batch gets exactly one outcomes, or the answer is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.delivery.outcomes import STREAM_FAILS_FROM, outcomes_of
from ptingest.model.document import Document
from ptingest.model.outcome import WriteResult
from tests.fakes.sink import Window, refuse

DOCUMENTS = Window().documents(6)
STRANGER = Window().documents(1)


def test_what_is_not_listed_was_stored() -> None:
    outcomes = outcomes_of(DOCUMENTS, WriteResult())

    assert outcomes.stored == DOCUMENTS
    assert outcomes.has_answers


def test_each_list_keeps_its_documents_and_the_rest_is_stored() -> None:
    one, two, three, four, five, six = DOCUMENTS
    outcomes = outcomes_of(
        DOCUMENTS,
        WriteResult(
            already_stored=[one],
            failure_stored=[two],
            refused=refuse([three]),
            busy=[four],
            doubtful=[five],
        ),
    )

    assert (outcomes.already_stored, outcomes.failure_stored) == ([one], [two])
    assert [refusal.document for refusal in outcomes.refused] == [three]
    assert outcomes.again == [four, five]
    assert outcomes.doubtful == [five]
    assert outcomes.stored == [six]


@pytest.mark.parametrize(
    ("result", "has_answers"),
    [
        pytest.param(WriteResult(busy=DOCUMENTS), False, id="all busy"),
        pytest.param(WriteResult(doubtful=DOCUMENTS), False, id="all doubtful"),
        pytest.param(WriteResult(busy=DOCUMENTS, too_large=True), False, id="too large"),
        pytest.param(WriteResult(too_large=True), False, id="too large, and nothing listed"),
        pytest.param(WriteResult(busy=DOCUMENTS[1:]), True, id="one stored"),
        pytest.param(WriteResult(stream_busy=refuse(DOCUMENTS)), True, id="streams busy"),
        pytest.param(WriteResult(refused=refuse(DOCUMENTS)), True, id="all refused"),
        pytest.param(WriteResult(unsynced=DOCUMENTS), True, id="all unsynced"),
    ],
)
def test_a_sink_that_decides_about_nothing_gave_no_answers(
    result: WriteResult, has_answers: bool
) -> None:
    outcomes = outcomes_of(DOCUMENTS, result)

    assert outcomes.has_answers is has_answers
    if not has_answers:
        assert outcomes.again == DOCUMENTS
        assert not outcomes.stored


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param({"busy": [DOCUMENTS[0]] * 2}, id="twice in one list"),
        pytest.param(
            {"busy": [DOCUMENTS[0]], "refused": refuse([DOCUMENTS[0]])}, id="in two lists"
        ),
        pytest.param({"already_stored": STRANGER}, id="not in the batch"),
    ],
)
def test_an_answer_that_does_not_fit_the_batch_is_not_believed(lists: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="6 documents"):
        outcomes_of(DOCUMENTS, WriteResult(**lists))


def test_what_is_written_and_not_safe_is_neither_stored_nor_busy() -> None:
    outcomes = outcomes_of(DOCUMENTS, WriteResult(unsynced=DOCUMENTS[:2]))

    assert outcomes.unsynced == DOCUMENTS[:2]
    assert outcomes.stored == DOCUMENTS[2:]
    assert (outcomes.again, outcomes.taken) == ([], 4)


def test_what_would_wait_for_a_failed_window_is_taken_out() -> None:
    failed, going = Window(), Window()
    lost: list[Document] = failed.documents(4)
    kept = going.documents(3)
    failed.receipt.fail("closed")
    documents = [lost[0], kept[0], lost[1], kept[1], lost[2], kept[2], lost[3]]
    result = WriteResult(
        busy=documents[:2], stream_busy=refuse(documents[2:4]), unsynced=documents[4:6]
    )
    outcomes = outcomes_of(documents, result)

    taken = outcomes.take_given_up()

    assert set(taken) == set(lost[:3])
    assert outcomes.again == [kept[0]]
    assert [refusal.document for refusal in outcomes.stream_busy] == [kept[1]]
    assert outcomes.unsynced == [kept[2]]
    assert outcomes.stored == [lost[3]]
    assert outcomes.take_given_up() == []


def test_a_stream_that_has_some_of_its_documents_is_not_at_fault() -> None:
    documents = Window().documents(STREAM_FAILS_FROM + 1)
    failing = refuse(documents[1:])
    outcomes = outcomes_of(documents, WriteResult(unsynced=documents[:1], failing=failing))

    outcomes.blame_streams(is_probe=False)

    assert (outcomes.stream_busy, outcomes.failing) == ([], failing)
    assert not outcomes.has_stream_trouble

"""Which letters are chosen, and how their fates are counted."""

from __future__ import annotations

import msgspec
import pytest

from ptingest.model.letters import LetterFilter, LetterKind, Order, Tally
from ptingest.model.outcome import Fate

KIND = LetterKind("refused", "logs-django-pt")
LETTER = {
    "letter_id": "01",
    "time": "2026-11-23T14:00:00.000Z",
    "reason": "refused",
    "data_stream": "logs-django-pt",
}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param(LetterFilter(), False, id="no filter chooses nothing"),
        pytest.param(LetterFilter(everything=True), True, id="everything"),
        pytest.param(LetterFilter(reasons=("x", "refused")), True, id="one of the reasons"),
        pytest.param(LetterFilter(reasons=("x",)), False, id="another reason"),
        pytest.param(LetterFilter(data_streams=("logs-django-pt",)), True, id="its stream"),
        pytest.param(LetterFilter(ids=("01",)), True, id="its id"),
        pytest.param(LetterFilter(ids=("02",)), False, id="another id"),
        pytest.param(LetterFilter(before="2026-11-23T14:00:00.001Z"), True, id="older"),
        pytest.param(LetterFilter(before="2026-11-23T14:00:00.000Z"), False, id="just not older"),
        pytest.param(
            LetterFilter(reasons=("refused",), ids=("02",)), False, id="kinds narrow each other"
        ),
        pytest.param(LetterFilter(kinds=(KIND,)), True, id="its kind"),
        pytest.param(
            LetterFilter(kinds=(KIND._replace(data_stream=None),)), False, id="its reason alone"
        ),
        pytest.param(LetterFilter(everything=True, ids=("02",)), False, id="all of the named ones"),
    ],
)
def test_a_letter_is_meant_when_it_passes_every_filter(
    choice: LetterFilter, expected: bool
) -> None:
    assert choice.takes(**LETTER) is expected


def test_a_letter_without_stream_is_in_no_stream() -> None:
    assert not LetterFilter(data_streams=("x",)).takes(**{**LETTER, "data_stream": None})


def test_an_order_survives_the_wire() -> None:
    order = Order("requeue", LetterFilter(reasons=("refused",), before="2026"), seconds=5, pid=7)

    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


@pytest.mark.parametrize(
    ("fates", "told"),
    [
        pytest.param([], Fate.DROPPED, id="no document was made of it"),
        pytest.param(["stored"], Fate.STORED, id="one sink"),
        pytest.param(["already_stored", "stored"], Fate.STORED, id="new to one of two sinks"),
        pytest.param(["already_stored"] * 2, Fate.ALREADY_STORED, id="known to both"),
        pytest.param(["stored", "dead_lettered"], Fate.DEAD_LETTERED, id="refused by one of two"),
        pytest.param(["buffered"], Fate.BUFFERED, id="in the buffer's topic"),
        pytest.param(["failure_stored"], Fate.FAILURE_STORED, id="in the failure store"),
    ],
)
def test_a_letter_counts_once_whatever_the_number_of_sinks(fates: list[str], told: Fate) -> None:
    tally = Tally()

    assert tally.count(fates) is told
    assert (tally.settled, getattr(tally, told)) == (1, 1)


def test_the_first_reason_to_stay_is_told() -> None:
    tally = Tally()

    tally.leave("full")
    tally.leave("later")

    assert (tally.left, tally.left_because, tally.settled) == (2, "full", 0)

"""Letters by kind."""

from __future__ import annotations

from ptingest.dead_letters.groups import DETAIL_CHARACTERS, LetterGroups, is_chosen, row_of
from ptingest.dead_letters.queue import StoredLetter
from ptingest.model.letters import LetterFilter, LetterKind
from ptingest.model.outcome import DeadLetter


def stored(
    number: int, reason: str = "refused", stream: str | None = "logs-a-pt", count: int = 1
) -> StoredLetter:
    payload = b'{"service":"A b","message":"line %d"}' % number
    letter = DeadLetter(reason, f"detail {number}", payload, "other", "peer:1", stream, count=count)
    return StoredLetter(f"id{number}", f"2025-01-02T03:04:{number:02d}.000Z", letter)


def test_letters_are_counted_by_reason_and_data_stream() -> None:
    groups = LetterGroups(limit=9)
    for one in (stored(3), stored(1), stored(5, "not_json", None), stored(4)):
        assert groups.add(one)

    first, second = groups.most_common()

    assert (first.kind, first.letters) == (LetterKind("refused", "logs-a-pt"), 3)
    assert (first.oldest[17:19], first.newest[17:19]) == ("01", "04")
    assert (first.example.service, first.example.message) == ("A b", "line 3")
    assert (second.kind, second.letters) == (LetterKind("not_json", None), 1)


def test_beyond_the_limit_letters_of_further_kinds_are_only_counted() -> None:
    groups = LetterGroups(limit=1)

    taken = [groups.add(one) for one in (stored(1), stored(2, "x"), stored(3, "y"), stored(4))]

    assert taken == [True, False, False, True]
    assert groups.left_out == 2
    assert [one.letters for one in groups.most_common()] == [2]


def test_a_row_holds_the_beginning_of_what_was_said() -> None:
    long = DeadLetter("refused", "x" * 5000, b"{}", "other", "peer:1")

    assert row_of(StoredLetter("id", "now", long)).detail == "x" * DETAIL_CHARACTERS
    assert row_of(stored(1, count=7)).detail == "7 times: detail 1"


def test_a_letter_is_chosen_by_its_kind() -> None:
    choice = LetterFilter(kinds=(LetterKind("refused", "logs-a-pt"), LetterKind("not_json", None)))

    assert is_chosen(stored(1), choice)
    assert is_chosen(stored(2, "not_json", None), choice)
    assert not is_chosen(stored(3, "not_json"), choice)
    assert not is_chosen(stored(4, "refused", "logs-b-pt"), choice)

"""Dead letters as the command line lists them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ptingest.cli import letter_list
from ptingest.cli.letter_list import grouped
from ptingest.dead_letters.queue import StoredLetter
from ptingest.model.outcome import DeadLetter


def stored(number: int, stream: str, *, detail: str = "no", message: str = "hello") -> StoredLetter:
    payload = b'{"service":"Web 1","message":"%s %d"}' % (message.encode(), number)
    letter = DeadLetter("refused", detail, payload, "other", "peer:1", stream)
    return StoredLetter(f"id{number}", f"2025-01-02T03:04:{number:02d}.000Z", letter)


def lines_of(letters: Iterable[StoredLetter], limit: int = 2) -> list[str]:
    return list(grouped(letters, limit=limit)[1])


def test_each_group_has_its_newest_letters_with_the_service_that_was_sent() -> None:
    letters = [*(stored(number, "logs-a-pt") for number in range(5)), stored(9, "logs-b-pt")]

    assert lines_of(letters) == [
        "refused  logs-a-pt  5 letters, 2025-01-02T03:04:00.000Z to 2025-01-02T03:04:04.000Z",
        "  said: no",
        "  id4  2025-01-02T03:04:04.000Z  Web 1  hello 4",
        "  id3  2025-01-02T03:04:03.000Z  Web 1  hello 3",
        "  and 3 more: --limit N shows more, --json all",
        "refused  logs-b-pt  1 letter, 2025-01-02T03:04:09.000Z",
        "  said: no",
        "  id9  2025-01-02T03:04:09.000Z  Web 1  hello 9",
    ]


def test_what_was_said_stands_where_it_changes() -> None:
    letters = [stored(1, "logs-a-pt", detail="old"), stored(2, "logs-a-pt", detail="new")]

    said = [line.strip() for line in lines_of(letters) if "said" in line]

    assert said == ["said: new", "said: old"]


def test_text_of_events_is_escaped_and_cut() -> None:
    (_, said, row) = lines_of([stored(1, "logs-a-pt", detail="\x1b[2J", message="x" * 500)])

    assert said == "  said: \\x1b[2J"
    assert row.endswith("x…")
    assert len(row) < 150


def test_letters_of_too_many_kinds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_list, "KINDS", 2)

    count, lines = grouped([stored(one, f"logs-{one}-pt") for one in range(5)], limit=1)

    assert count == 5
    assert list(lines)[-1] == "and 3 letters of further kinds: --reason or --json shows them"

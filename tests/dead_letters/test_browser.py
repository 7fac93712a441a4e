"""The dead letters as the console reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.dead_letters import browser as module
from ptingest.dead_letters.browser import FRESH_SECONDS, DeadLetterBrowser
from ptingest.dead_letters.groups import DETAIL_CHARACTERS
from ptingest.dead_letters.queue import LetterIds, encode_letter
from ptingest.dead_letters.segments import SUFFIX
from ptingest.dead_letters.tombstones import add_marks
from ptingest.model.letters import LetterFilter, LetterKind
from ptingest.model.outcome import DeadLetter
from tests.support.letters import EVERYTHING

IDS = LetterIds()
REFUSED = LetterFilter(reasons=("refused",))


def letter(number: int, reason: str = "refused", stream: str | None = "logs-a-pt") -> bytes:
    made = DeadLetter(reason, f"detail {number}", b"payload", "django", "peer:1", stream, "key")
    letter_id = IDS.next_id(number * 1_000_000)
    return encode_letter(made, letter_id=letter_id, time=f"2025-01-02T03:04:{number:02d}.000Z")


def write(folder: Path, *segments: list[bytes]) -> list[Path]:
    paths = [folder / f"{number}{SUFFIX}" for number in range(len(segments))]
    for path, lines in zip(paths, segments, strict=True):
        path.write_bytes(b"".join(lines))
    return paths


async def test_letters_are_counted_by_kind_and_listed_newest_first(tmp_path: Path) -> None:
    write(tmp_path, [letter(1), letter(2, "not_json", None)], [letter(3), letter(4)])

    look = await DeadLetterBrowser(tmp_path).look(EVERYTHING)

    assert [(one.kind, one.letters) for one in look.groups] == [
        (("refused", "logs-a-pt"), 3),
        (("not_json", None), 1),
    ]
    assert [row.detail for row in look.rows] == ["detail 4", "detail 3", "detail 2", "detail 1"]
    assert (look.seen, look.fit, look.is_cut) == (4, 4, False)


async def test_a_filter_narrows_the_list_and_not_the_counts(tmp_path: Path) -> None:
    write(tmp_path, [letter(1), letter(2, "not_json", None), letter(3, "refused", "logs-b-pt")])

    kind = LetterKind("refused", "logs-b-pt")
    by_reason = await DeadLetterBrowser(tmp_path).look(REFUSED)
    by_both = await DeadLetterBrowser(tmp_path).look(LetterFilter(kinds=(kind,)))

    assert (by_reason.seen, by_reason.fit) == (3, 2)
    assert [row.detail for row in by_both.rows] == ["detail 3"]


async def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    browser = DeadLetterBrowser(tmp_path / "none")

    assert (await browser.look(EVERYTHING)).rows == []
    assert await browser.find("01JB2QXEZ3T8V5N7K4M9P6R1S0") is None


async def test_letters_that_are_done_are_not_shown(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [letter(1), letter(2)])
    browser = DeadLetterBrowser(tmp_path)
    newest, oldest = (await browser.look(EVERYTHING)).rows
    add_marks(path, [newest.id])
    browser.forget()

    assert (await browser.look(EVERYTHING)).rows == [oldest]
    assert await browser.find(newest.id) is None
    assert await browser.find(oldest.id) is not None


async def test_one_letter_is_found_whole(tmp_path: Path) -> None:
    long = DeadLetter("refused", "x" * 5000, b"\xff\x00payload", "django", "peer:1", None, None)
    letter_id = IDS.next_id(10**15)
    write(tmp_path, [letter(1), encode_letter(long, letter_id=letter_id, time="now")])

    found = await DeadLetterBrowser(tmp_path).find(letter_id)

    assert found is not None
    assert found.payload == b"\xff\x00payload"
    assert found.row.detail == "x" * 5000
    assert found.key is None


@pytest.mark.parametrize("letter_id", ["", "../x", "a b", "ä", "%", "01JB"])
async def test_what_is_no_id_finds_nothing(tmp_path: Path, letter_id: str) -> None:
    write(tmp_path, [letter(1)])

    assert await DeadLetterBrowser(tmp_path).find(letter_id) is None


async def test_a_list_holds_the_beginning_of_what_was_said(tmp_path: Path) -> None:
    long = DeadLetter("refused", "x" * 5000, b"p", "django", "peer:1")
    write(tmp_path, [encode_letter(long, letter_id=IDS.next_id(0), time="now")])

    (row,) = (await DeadLetterBrowser(tmp_path).look(EVERYTHING)).rows

    assert len(row.detail) == DETAIL_CHARACTERS


async def test_a_look_is_shown_again_while_it_is_fresh(tmp_path: Path) -> None:
    now = 0.0
    browser = DeadLetterBrowser(tmp_path, clock=lambda: now)
    await browser.look(EVERYTHING)
    write(tmp_path, [letter(1)])

    assert (await browser.look(EVERYTHING)).seen == 0
    assert (await browser.look(REFUSED)).seen == 1
    await browser.look(EVERYTHING)
    write(tmp_path, [letter(1), letter(2)])
    now += FRESH_SECONDS
    assert (await browser.look(EVERYTHING)).seen == 2


async def test_a_look_that_takes_too_long_is_cut_and_says_so(tmp_path: Path) -> None:
    ticks = iter(range(0, 10_000, 2))
    oldest = [letter(1) for _ in range(module.YIELD_LETTERS * 3)]
    write(tmp_path, oldest, [letter(2)])

    look = await DeadLetterBrowser(tmp_path, clock=lambda: float(next(ticks))).look(EVERYTHING)

    assert look.is_cut
    assert look.seen < len(oldest) + 1
    assert look.rows[0].detail == "detail 2"


async def test_a_line_that_is_no_letter_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, [letter(1), b'{"id":7}\n', b"torn"])

    assert (await DeadLetterBrowser(tmp_path).look(EVERYTHING)).seen == 1

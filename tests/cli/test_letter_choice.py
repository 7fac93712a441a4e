"""Options that select no dead letter: each says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ptingest.cli.letter_choice import why_none_fits
from ptingest.model.letters import LetterFilter
from tests.support.letters import file_letters, letter

TIME = "2026-11-01T00:00:00.000Z"
COUNTED = f"3 waiting in {{}}, written {TIME} to {TIME}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    odd = replace(letter(3), reason="mapping", data_stream="logs-\x1b[2J-pt")
    file_letters(tmp_path, [letter(1), letter(2), odd])
    return tmp_path / "dead_letters"


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        (
            LetterFilter(reasons=("refused",)),
            "--reason refused: none has it; there are template_missing (2), mapping (1)",
        ),
        (
            LetterFilter(data_streams=("logs-x-pt", "\x07")),
            "--stream logs-x-pt, \\x07: none has it; there are logs-django-pt (2), "
            "logs-\\x1b[2J-pt (1)",
        ),
        (
            LetterFilter(ids=("NOPE",)),
            "--id NOPE: not waiting; requeued or purged already, or of another data_dir",
        ),
        (LetterFilter(before="2026-10-01"), "--older-than: none is older than 2026-10-01"),
        (
            LetterFilter(reasons=("mapping",), data_streams=("logs-django-pt",)),
            "each of the options fits some of them, all options together fit none",
        ),
    ],
    ids=["reason", "stream", "id", "age", "together"],
)
def test_the_option_that_excludes_all_is_named(
    choice: LetterFilter, why: str, directory: Path
) -> None:
    assert list(why_none_fits(choice, directory)) == [COUNTED.format(directory), why]


def test_without_letters_no_option_is_to_blame(tmp_path: Path) -> None:
    said = list(why_none_fits(LetterFilter(reasons=("refused",)), tmp_path / "none"))

    assert said == [f"no dead letter is waiting in {tmp_path / 'none'}"]

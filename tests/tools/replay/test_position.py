"""The file of a replay that was interrupted: it goes on, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ReplayRefused
from ptingest.kafka.polled import Partition
from ptingest.kafka.spans import Span
from ptingest.tools.replay.position import Asked, Position

ASKED = Asked("2h", None, ("parcels",), "digest")
FIRST, SECOND = Partition("parcels", 0), Partition("parcels", 1)


def position(folder: Path) -> Position:
    return Position(folder, ASKED, {FIRST: Span(10, 30), SECOND: Span(0, 5)})


def test_the_same_command_goes_on_behind_what_is_safe(tmp_path: Path) -> None:
    begun = position(tmp_path)
    begun.done(FIRST, 17, 70)
    begun.save()

    found = Position.load(tmp_path, ASKED)

    assert found is not None
    assert found.spans == {FIRST: Span(17, 30), SECOND: Span(0, 5)}
    assert (found.events, found.left) == (70, 18)


def test_a_position_never_moves_back_nor_beyond_its_end(tmp_path: Path) -> None:
    one = position(tmp_path)

    one.done(FIRST, 20, 1)
    one.done(FIRST, 12, 1)
    one.done(SECOND, 99, 1)

    assert one.spans == {FIRST: Span(20, 30), SECOND: Span(5, 5)}
    assert one.events == 3


def test_nothing_stopped_here(tmp_path: Path) -> None:
    assert Position.load(tmp_path, ASKED) is None
    begun = position(tmp_path)
    begun.save()
    begun.forget()
    assert Position.load(tmp_path, ASKED) is None


@pytest.mark.parametrize(
    "other",
    [
        Asked("3h", None, ("parcels",), "digest"),
        Asked("2h", "1h", ("parcels",), "digest"),
        Asked("2h", None, ("letters",), "digest"),
        Asked("2h", None, ("parcels",), "other rules"),
    ],
)
def test_another_replay_does_not_go_on(tmp_path: Path, other: Asked) -> None:
    position(tmp_path).save()

    with pytest.raises(ReplayRefused, match=r"of other times, topics or rules.*--again"):
        Position.load(tmp_path, other)


@pytest.mark.parametrize("written", ["", "{}", '{"asked": 1}', "no JSON"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, written: str) -> None:
    (tmp_path / "position.json").write_text(written)

    with pytest.raises(ReplayRefused, match=r"position\.json cannot be read.*--again"):
        Position.load(tmp_path, ASKED)

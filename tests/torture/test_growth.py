from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.costly_events import SHAPES
from tests.torture import growth
from tests.torture.growth import GROWTH, judge, main, sizes, timed, works


def test_the_sizes_go_from_64_kib_to_the_largest_event() -> None:
    assert sizes(growth.LARGEST_KIB) == [64, 256, 1024, 4096, 16384]


def test_linear_work_keeps_the_bound_and_the_square_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    costs = {"linear": [1.0, 4.1, 16.5], "a step": [1.0, 10.0, 40.0], "square": [1.0, 16.0, 256.0]}

    assert not judge(costs, GROWTH)

    assert [line[:16].split() for line in capsys.readouterr().out.splitlines()] == [
        ["passed", "linear"],
        ["passed", "a", "step"],
        ["FAILED", "square"],
    ]


def test_what_a_busy_machine_made_worse_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([1.0, 20.0, 16.0, 4.0])
    monkeypatch.setattr(growth, "seconds", lambda *_: next(figures))

    assert timed("wide", 1024) == [1.0, 4.0, 16.0]


def test_one_shape_alone_can_be_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces", "--most", "64"]) == 0

    assert "spaces" in capsys.readouterr().out


def test_every_shape_can_be_counted(tmp_path: Path) -> None:
    made = works(1, tmp_path)

    for work in made.values():
        work()

    assert set(made) == set(SHAPES)

"""Several servers in one table."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.end_to_end import Load, Run, Target
from benchmarks.measure import Runs


def test_the_file_that_comes_along_can_be_read() -> None:
    found = compare.read(compare.DEFAULT)

    assert found.targets[0] == Target("ptingest")
    assert {target.sink for target in found.targets if target.command} == {"none"}
    assert all(found.does[target.name] for target in found.targets)
    for target in found.targets:
        if target.command is not None:
            words = shlex.split(target.command.format(port=1, python=sys.executable))
            assert words[0] == sys.executable


def test_any_command_can_be_a_row(tmp_path: Path) -> None:
    file = tmp_path / "others.toml"
    file.write_text(
        'events = 1000\nruns = 7\nwarm_up = 5\n[[server]]\nname = "a"\nworkers = 2\n'
        '[[server]]\nname = "b"\nsink = "null"\ncommand = "b --port {port} {elasticsearch}"\n'
    )

    found = compare.read(file)

    assert found.load == Load(events=1000, warm_up=5)
    assert found.runs == 7
    assert found.targets == [
        Target("a", workers=2),
        Target("b", command="b --port {port} {elasticsearch}"),
    ]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("events = 1", "a name of its own"),
        ('[[server]]\nname = "a"\n[[server]]\nname = "a"', "a name of its own"),
        ("[[server]]\nsink = 'null'", "a name of its own"),
        ('evens = 1\n[[server]]\nname = "a"', "unknown evens"),
        ('[[server]]\nname = "a"\nport = 1', "unknown port"),
        ("[[server]", "others.toml"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, seen: str) -> None:
    file = tmp_path / "others.toml"
    file.write_text(text)

    with pytest.raises(compare.FileInvalid, match=seen):
        compare.read(file)


def test_the_cheapest_server_is_the_first_row() -> None:
    def row(cpu: float) -> dict[str, Runs]:
        same = dict.fromkeys(Run._fields, Runs.of([1.0]))
        times = {"times_floor": Runs.of([cpu / 10]), "times_floor_busy": Runs.of([cpu / 12.5])}
        return same | times | {"cpu_us": Runs.of([cpu, cpu * 1.5])}

    found = {"dear": row(40), "cheap": row(20)}

    told = compare.table(found, {"dear": "x", "cheap": "y"}, {"broken": "no java"})

    first, second, third = told.splitlines()[2:5]
    assert first.startswith("| cheap | y | 20.0 (50 %) | 2.00 / 1.60 |")
    assert second.startswith("| dear | x | 40.0 (50 %) | 4.00 / 3.20 |")
    assert third.startswith("| broken | not run: no java |")

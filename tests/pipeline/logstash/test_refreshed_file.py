"""Files that are read again when they have changed."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from ptingest.pipeline.logstash.options import FilterSetup, Options, RefusedConfig
from ptingest.pipeline.logstash.refreshed_file import RefreshedFile
from ptingest.pipeline.logstash.tree import Place

SECOND = 1_000_000_000


class Counted:
    """Numbers in a file, and what was said about it."""

    def __init__(self, path: Path, *, interval: float = 10, joins: bool = False) -> None:
        self.said: list[str] = []
        self.reads = 0
        place = Place("a.conf", 1, 1)
        options = Options(
            "x", place, {"path": path.name, "refresh_interval": interval}, {"path": place}
        )
        setup = FilterSetup(
            options, matched=lambda event: None, folder=path.parent, report=self.said.append
        )
        join = (lambda old, new: old | new) if joins else None
        self.file = RefreshedFile(setup, "path", self.read, join=join)

    def read(self, path: Path) -> set[int]:
        self.reads += 1
        return set(map(int, path.read_text().split()))

    def at(self, seconds: float) -> set[int]:
        return self.file.content(int(seconds * SECOND))


STAMPS = count(1)


def write(path: Path, text: str) -> None:
    """Change a file so that its times differ in any case."""
    path.write_text(text)
    stamp = next(STAMPS)
    os.utime(path, (stamp, stamp))


@pytest.mark.parametrize(("joins", "found"), [(False, {3}), (True, {1, 2, 3})])
def test_a_change_is_seen_after_the_interval(tmp_path: Path, joins: bool, found: set[int]) -> None:
    path = tmp_path / "numbers"
    write(path, "1 2")
    counted = Counted(path, joins=joins)
    before = counted.at(100)
    write(path, "3")

    assert (before, counted.at(109), counted.at(110)) == ({1, 2}, {1, 2}, found)


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    write(path, "1")
    counted = Counted(path)

    for seconds in range(0, 100, 5):
        counted.at(seconds)

    assert counted.reads == 1


@pytest.mark.parametrize("interval", [0, -1])
def test_no_interval_is_never(tmp_path: Path, interval: int) -> None:
    path = tmp_path / "numbers"
    write(path, "1")
    counted = Counted(path, interval=interval)
    counted.at(0)
    write(path, "2")

    assert counted.at(1_000_000) == {1}


def test_what_cannot_be_read_is_said_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    write(path, "1")
    counted = Counted(path)
    counted.at(0)
    write(path, "x")
    bad = counted.at(10)
    path.unlink()
    gone = counted.at(20)
    write(path, "2")

    assert (bad, gone, counted.at(30)) == ({1}, {1}, {2})
    assert ["its last content stays in use" in said for said in counted.said] == [True, True]


def test_at_the_start_it_must_be_readable(tmp_path: Path) -> None:
    with pytest.raises(RefusedConfig, match=r"a.conf:1:1: x: .*numbers cannot be read"):
        Counted(tmp_path / "numbers")

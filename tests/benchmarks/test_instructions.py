"""Instructions an event, by callgrind or perf."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import instructions


def works(events: int, folder: Path) -> dict[str, Callable[[], object]]:
    """Two pieces of work, one of them ten times the other."""
    return {"one": lambda: sum(range(events * 10)), "ten": lambda: sum(range(events * 100))}


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_callgrind_counts_each_piece_of_work_alone() -> None:
    counted = instructions.count("tests.benchmarks.test_instructions:works", events=200)

    assert list(counted) == ["one", "ten"]
    assert counted["one"] > 10 * 10
    assert counted["ten"] > counted["one"]


def collecting(_events: int, _folder: Path) -> dict[str, Callable[[], object]]:
    """A full round of the collector beside much that is alive."""
    alive: list[list[object]] = [[] for _ in range(100_000)]
    return {"round": lambda: (gc.collect(), alive)[0]}


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_a_round_of_the_collector_costs_a_piece_what_it_made_itself_alone() -> None:
    counted = instructions.count("tests.benchmarks.test_instructions:collecting", events=1)

    # To look at the 100,000 would be several million.
    assert counted["round"] < 500_000


def test_a_dump_tells_its_sum(tmp_path: Path) -> None:
    dump = tmp_path / "out.2"
    dump.write_text("events: Ir\nsummary: 1234\n\nfn=(1)\n0 7\ntotals: 1240\n")

    assert instructions.summary(dump) == 1234


def test_what_is_no_dump_is_told(tmp_path: Path) -> None:
    dump = tmp_path / "out.2"
    dump.write_text("nothing")

    with pytest.raises(RuntimeError, match=r"out\.2 is no dump"):
        instructions.summary(dump)


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ("123456,,instructions:u,1000,100.00,,\n", 123456),
        ("# started\n99,,instructions,1,100.00,,", 99),
        ("<not supported>,,instructions:u,0,100.00,,\n", None),
        ("", None),
    ],
)
def test_perf_tells_instructions_or_that_it_cannot(told: str, count: int | None) -> None:
    assert instructions.perf_instructions(told) == count

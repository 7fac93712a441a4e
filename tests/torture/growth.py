"""What an event costs from 64 KiB to 16 MiB, for every shape of ``tests/fakes/costly_events``.

    python -m tests.torture.growth                  processor time, all shapes: some minutes
    python -m tests.torture.growth wide 'long tags'
    python -m tests.torture.growth --instructions   counted, which no busy neighbour changes

Each size is four times the one before, and judged by the one two steps before: linear work
takes sixteen times as long, what takes the square 256 times; the bound lies between. One step
tells less: the garbage collector begins its full rounds somewhere. Instructions need valgrind
(or a counter of `perf stat`), take fifty times as long, and so end at 1 MiB unless ``--most``
says more.

Exit code 0: nothing grows faster than its bound.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from tests.fakes.costly_events import SHAPES
from tests.support.profile import shipped_profile

KIB = 1 << 10
SMALLEST_KIB, STEP = 64, 4
LARGEST_KIB, LARGEST_COUNTED_KIB = 16 << 10, 1 << 10
GROWTH = 64.0
"""Of processor time in two steps: between 16 (linear) and 256 (the square)."""
COUNTED_GROWTH = 32.0
"""Of instructions in two steps."""
SUSPECT_GROWTH = 8.0
"""Of processor time in one step: so much is looked at again."""
TRIES = 4
LEAST_SECONDS = 2e-3
"""Less than this is noise, and as much is taken for it."""
COUNTING_SECONDS = 4 * 3600
PIPELINE = compile_profile(shipped_profile())

Cost = Callable[[str, int], float]


def process(payload: bytes) -> None:
    """Take one event through the shipped profile's pipeline."""
    PIPELINE.process([payload], receipt=Receipt(lambda _: None), peer="-", now_ns=1)


def sizes(most_kib: int) -> list[int]:
    """The sizes to try, in KiB."""
    found = [SMALLEST_KIB]
    while found[-1] * STEP <= most_kib:
        found.append(found[-1] * STEP)
    return found


def seconds(name: str, kib: int, tries: int = 1) -> float:
    """Processor time of one event, the least of some tries."""
    payload = SHAPES[name](kib * KIB)
    gc.collect()
    took = []
    for _ in range(tries):
        began = time.process_time()
        process(payload)
        took.append(time.process_time() - began)
    return max(min(took), LEAST_SECONDS)


def growths(costs: Sequence[float]) -> list[float]:
    """How many times the cost two steps before each one is."""
    return [after / before for before, after in zip(costs, costs[2:], strict=False)]


def timed(name: str, most_kib: int) -> list[float]:
    """Processor time at each size; what seems to grow too fast is tried again: a busy machine
    makes some tries worse, never all."""
    costs = [seconds(name, kib) for kib in sizes(most_kib)]
    for at, kib in enumerate(sizes(most_kib)[1:], 1):
        if costs[at] / costs[at - 1] >= SUSPECT_GROWTH:
            costs[at] = min(costs[at], seconds(name, kib, TRIES))
    return costs


def works(kib: int, folder: Path) -> dict[str, Callable[[], object]]:
    """The work of each shape, for ``benchmarks.instructions``; one payload is held at a time."""
    del folder
    held: dict[str, bytes] = {}

    def work(name: str) -> None:
        if name not in held:
            held.clear()
            held[name] = SHAPES[name](kib * KIB)
        process(held[name])

    return {name: (lambda name=name: work(name)) for name in SHAPES}  # type: ignore[misc]


def counted(most_kib: int) -> dict[str, list[float]]:
    """Instructions at each size by shape; empty where nothing counts."""
    from benchmarks import instructions

    instructions.SECONDS = COUNTING_SECONDS
    found: dict[str, list[float]] = {}
    for kib in sizes(most_kib):
        for name, a_kib in instructions.count("tests.torture.growth:works", events=kib).items():
            found.setdefault(name, []).append(a_kib * kib)
    return found


def line_of(name: str, costs: Sequence[float], bound: float) -> tuple[str, bool]:
    """One row of the table, and whether the shape keeps its bound."""
    grown = growths(costs)
    keeps = all(growth < bound for growth in grown)
    figures = "  ".join(f"x{growth:6.1f}" for growth in grown)
    return f"{'passed' if keeps else 'FAILED'}  {name:34} {costs[-1]:14.6g}  {figures}", keeps


def judge(costs: Mapping[str, Sequence[float]], bound: float) -> bool:
    """Print a row for each shape; return whether all keep their bound."""
    kept = []
    for name, row in costs.items():
        line, keeps = line_of(name, row, bound)
        print(line, flush=True)
        kept.append(keeps)
    return all(kept)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="See how the cost of costly events grows.")
    parser.add_argument("shape", nargs="*", help="all by default")
    parser.add_argument("--instructions", action="store_true", help="count, of all shapes")
    parser.add_argument("--most", type=int, metavar="KIB", help="the largest size")
    given = parser.parse_args(arguments)
    if given.instructions:
        costs = counted(given.most or LARGEST_COUNTED_KIB)
        return 0 if judge(costs, COUNTED_GROWTH) and costs else 1
    kept = [
        judge({name: timed(name, given.most or LARGEST_KIB)}, GROWTH)
        for name in given.shape or SHAPES
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: every measurement, in about three minutes, as one table.

Each row is also a line in `history.jsonl`; the table shows this run beside the last one
recorded there. Compare the multiples of the floor, not the microseconds: both numbers of
a multiple come from the same minutes of the same machine.
"""

from __future__ import annotations

import argparse
import shutil
import time
from typing import Any

from benchmarks import end_to_end, floor, frames, pipeline, start, store
from benchmarks.measure import Runs, append_history, last_in_history, machine


def _microseconds(name: str, figures: dict[str, Runs]) -> None:
    """Print and record one table of microseconds, beside the last run's."""
    last: Any = (last_in_history(name) or {}).get("microseconds_an_event", {})
    print(f"\n{name}: CPU microseconds an event")
    for row, runs in figures.items():
        before = f"   last {last[row]['median']:.2f}" if row in last else ""
        print(f"  {row:28} {runs!s:40}{before}".rstrip())
    record = {row: runs.as_json() for row, runs in figures.items()}
    append_history(name, {"microseconds_an_event": record})


def _start(runs: int) -> None:
    last: Any = last_in_history("start") or {}
    figures = start.measure(runs=runs)
    print("\nstart")
    for row, figure in figures.items():
        before = f"   last {last[row]['median']:.2f}" if row in last else ""
        print(f"  {row:28} {figure!s:40}{before}".rstrip())
    append_history("start", {row: figure.as_json() for row, figure in figures.items()})


def _end_to_end(load: end_to_end.Load, sink: str, title: str, runs: int) -> None:
    base = floor.measure_pair(compression=load.compression)
    figures = end_to_end.measure(load, sink=sink, runs=runs)
    name = end_to_end.name_of(load, sink)
    last: Any = last_in_history(name)
    print("\n" + end_to_end.table(figures, base, title))
    if last is not None:
        print(f"  times the floor, last {last['times_floor']:.2f}")
    append_history(name, end_to_end.record_of(figures, base, load, sink))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure everything.")
    parser.add_argument("--runs", type=int, default=3, help="runs of each whole-road figure")
    arguments = parser.parse_args()
    began = time.perf_counter()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    _microseconds("floor", floor.measure())
    _microseconds("frames", frames.measure())
    _microseconds("pipeline", pipeline.measure())
    _microseconds("store", store.measure())
    _start(runs=5)
    if shutil.which("go") is None:
        raise SystemExit("the whole road needs go on the path: its sender is go-lumber")
    plain = end_to_end.Load()
    _end_to_end(plain, "null", "whole road, null Elasticsearch", arguments.runs)
    _end_to_end(
        plain._replace(compression=0),
        "null",
        "whole road, null Elasticsearch, compression 0",
        arguments.runs,
    )
    _end_to_end(
        plain._replace(events=40_960), "store", "whole road, embedded store", arguments.runs
    )
    _end_to_end(
        plain._replace(events=20_480, connections=1, pipeline=0),
        "null",
        "whole road, null Elasticsearch, one connection with one window at a time",
        arguments.runs,
    )
    print(f"\n{time.perf_counter() - began:.0f} s; recorded in benchmarks/history.jsonl")


if __name__ == "__main__":
    main()

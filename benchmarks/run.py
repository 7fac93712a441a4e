"""`make bench`: every measurement, in about four minutes, this run beside the last.

    python -m benchmarks.run                the daily round
    python -m benchmarks.run --everything   and the slow ones: instructions, a real Elasticsearch
                                            and its templates, other servers, scale (half an hour)

Each part is also a line in `history.jsonl`; "last" is the one recorded there before. Compare the
multiples of the floor, not the microseconds: both numbers of a multiple come from the same
minutes of the same machine. Tables are Markdown, so that pages can take them as they are.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import (
    compare,
    elasticsearch,
    end_to_end,
    floor,
    instructions,
    pauses,
    scale,
    stages,
    start,
    store,
)
from benchmarks.measure import Runs, append_history, last_in_history, machine
from tests.peers.elasticsearch_peer import USUAL


class Row(NamedTuple):
    """One row of the end-to-end table."""

    title: str
    load: end_to_end.Load
    sink: str = "null"
    workers: int = 1


PLAIN = end_to_end.Load()
ROADS = (
    Row("null Elasticsearch", PLAIN),
    Row("the same, small events", PLAIN._replace(small=True)),
    Row("the same, compression 0", PLAIN._replace(compression=0)),
    Row(
        "the same, one connection, one window at a time",
        PLAIN._replace(events=20_480, connections=1, pipeline=0),
    ),
    Row("null Elasticsearch, two workers", PLAIN, workers=2),
    Row("embedded store", PLAIN._replace(events=40_960), sink="store"),
)
REAL = Row(
    "a real Elasticsearch 8.19 on the same cores",
    PLAIN._replace(events=40_960, warm_up=end_to_end.WARM_UP["elasticsearch"]),
    "elasticsearch",
)


def _plain(name: str, unit: str, figures: dict[str, Runs], *, key: str | None = None) -> None:
    """Print and record one table of figures, beside the last run's."""
    entry: Any = last_in_history(name) or {}
    last = entry.get(key, {}) if key else entry
    print(
        f"\n### {name}: {unit}\n\n| | median | best | spread | last median |\n|---|---|---|---|---|"
    )
    for row, runs in figures.items():
        before = f"{last[row]['median']:.2f}" if row in last else ""
        print(
            f"| {row.strip()} | {runs.median:.2f} | {runs.best:.2f} | {runs.spread_percent:.0f} % "
            f"| {before} |"
        )
    record = {row: runs.as_json() for row, runs in figures.items()}
    append_history(name, {key: record} if key else dict(record))


def _stages(*, count: bool) -> None:
    figures = stages.measure()
    counted = instructions.count("benchmarks.stages:all_works") if count else {}
    print("\n### stages: CPU microseconds and instructions an event, beside the floor's part\n")
    print("```\n" + stages.table(figures, counted) + "\n```")
    print(stages.compared(figures))
    append_history("stages", stages.record_of(figures, counted))


def _roads(rows: tuple[Row, ...], runs: int) -> None:
    print(
        "\n### end to end\n\n| documents go to | CPU us/event, best (spread) | floor alone / "
        "cores busy | x floor, medians (spread) | last | events/s | ack ms, median / p99 "
        "| MiB at start / peak | sender / sink us |\n|---|---|---|---|---|---|---|---|---|"
    )
    for row in rows:
        name = end_to_end.name_of(row.load, row.sink, row.workers)
        last: Any = last_in_history(name)
        try:
            found = end_to_end.measure(row.load, sink=row.sink, workers=row.workers, runs=runs)
        except end_to_end.NOT_RUN as error:
            print(f"| {row.title} | not run: {error} | | | | | | | |", flush=True)
            continue
        append_history(name, end_to_end.record_of(found, row.load, row.sink))
        cpu, times, busy = found["cpu_us"], found["times_floor"], found["times_floor_busy"]
        print(
            f"| {row.title} | {cpu.best:.1f} ({cpu.spread_percent:.0f} %) "
            f"| {found['floor_us'].median:.1f} / {found['floor_busy_us'].median:.1f} "
            f"| {times.median:.2f} ({times.spread_percent:.0f} %) / {busy.median:.2f} "
            f"({busy.spread_percent:.0f} %) | {_last_times(last)} "
            f"| {found['events_per_second'].median:,.0f} "
            f"| {found['ack_ms_p50'].median:,.0f} / {found['ack_ms_p99'].median:,.0f} "
            f"| {found['start_mib'].median:.0f} / {found['peak_mib'].worst:.0f} "
            f"| {found['sender_us'].median:.1f} / {found['sink_us'].median:.1f} |",
            flush=True,
        )


def _last_times(last: Any) -> str:
    """The multiple recorded last; at first it was one of bests and no column."""
    found = {} if last is None else last["times_floor"]
    return str(found["median"] if isinstance(found, dict) and found else found or "")


def _instructions() -> None:
    """Whole servers beside the floor by what no neighbour changes."""
    for sink in ("null", "store"):
        last: Any = last_in_history(f"instructions {sink}") or {}
        counted = end_to_end.count_instructions(end_to_end.Target(sink=sink))
        if counted is None:
            return
        append_history(
            f"instructions {sink}", {"sink": sink, "instructions_an_event": counted._asdict()}
        )
        before = last.get("instructions_an_event", {}).get("server")
        told = "" if before is None else f", last {before:,.0f}"
        print("\n" + end_to_end.instructions_sentence(sink, counted) + told, flush=True)


def _compare(runs: int) -> None:
    given = compare.read(compare.DEFAULT)
    failures: dict[str, str] = {}
    found = end_to_end.measure_all(given.load, given.targets, runs=runs, failures=failures)
    print("\n### other servers\n")
    print(compare.table(found, given.does, failures))
    append_history("compare", compare.record_of(found, given.load))


def _templates() -> None:
    """What a document costs Elasticsearch, template by template."""
    rows = elasticsearch.chosen(None, (), USUAL)
    count, rounds = 40_960, 3
    print("\n### index templates\n")
    try:
        found = elasticsearch.measure(USUAL, rows, count=count, rounds=rounds)
    except end_to_end.NOT_RUN as error:
        print(f"not run: {error}", flush=True)
        return
    print(elasticsearch.table(found), flush=True)
    record = elasticsearch.record_of(found, USUAL, count, rounds)
    append_history(f"elasticsearch {USUAL.series}", record)


def _pauses() -> None:
    found = pauses.measure_all()
    print("\n### the loop's pauses: its thread's CPU time between two ticks\n")
    print(pauses.table(found), flush=True)
    append_history("pauses", {name: one._asdict() for name, one in found.items()})


def _scale(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        points, idles = scale.measure(Path(folder), seconds)
    print("\n### cost against work\n")
    print(scale.table(points, idles))
    print("\n" + scale.sentence(scale.fit(points)))
    append_history("scale", scale.record_of(points, idles))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure everything.")
    parser.add_argument("--runs", type=int, default=3, help="runs of each end-to-end figure")
    parser.add_argument("--everything", action="store_true", help="the slow ones, too")
    given = parser.parse_args()
    began = time.perf_counter()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    _plain("floor", "CPU microseconds an event", floor.measure(), key="microseconds_an_event")
    _plain("start", "seconds, MiB", start.measure(runs=5))
    if shutil.which("go") is None:
        raise SystemExit("end_to_end needs go on the path: its sender is go-lumber")
    _roads((*ROADS, REAL) if given.everything else ROADS, given.runs)
    _stages(count=given.everything)
    _plain("store", "CPU microseconds a document", store.measure(), key="microseconds_an_event")
    _pauses()
    if given.everything:
        _scale(6.0)
        _compare(given.runs)
        _templates()
        _instructions()
    load = os.getloadavg()
    print(
        f"\n{time.perf_counter() - began:.0f} s, load average {load[0]:.1f} at the end, "
        f"{load[2]:.1f} over a quarter of an hour; recorded in benchmarks/history.jsonl"
    )


if __name__ == "__main__":
    main()

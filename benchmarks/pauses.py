"""The event loop's longest pauses under full load, in processor time of its own thread.

What `ptingest_worker_loop_lag_seconds` shows is time on the wall, and so the neighbours'
doing as well wherever cores are short. Here the server's own timer, due every 10 ms, notes
how much its thread has computed since it last came: a keepalive, an ack or a new connection
had to wait for as long, a core of its own provided. Up to 10 ms of that is the timer's own
period. Start-up and each connection's first windows are left out (late imports, first use).

    python -m benchmarks.pauses [--json]
"""

from __future__ import annotations

import argparse
import atexit
import json
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from benchmarks import processes
from benchmarks.end_to_end import Load, far_end, prepared, send
from benchmarks.measure import append_history, machine

LOADS = {
    "null Elasticsearch": ("null", Load()),
    "the same, windows of 16,384": ("null", Load(events=131_072, pipeline=1, batch=16_384)),
    "the same, 40 connections, windows of 200": ("null", Load(connections=40, batch=200)),
    "embedded store": ("store", Load(events=40_960)),
}


class Pauses(NamedTuple):
    """Milliseconds of computing between two ticks of the loop's timer."""

    ticks: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


def pauses_of(spent: list[float]) -> Pauses:
    """Sum up what was computed before each tick, in seconds."""
    ordered = sorted(spent)
    last = len(ordered) - 1
    p50, p99, longest = (1000 * ordered[round(share * last)] for share in (0.5, 0.99, 1.0))
    return Pauses(len(ordered), p50, p99, longest)


def serve(config: Path, out: Path) -> None:
    """Run a server whose ticks are noted; at its end they are written to ``out``."""
    from ptingest.cli.main import main as cli
    from ptingest.server.event_loop.lag import LoopLag

    clock = time.pthread_getcpuclockid(threading.get_ident())
    note, marks = LoopLag.note, [time.clock_gettime(clock)]

    def noted(self: LoopLag, now: float, late_seconds: float) -> float:
        marks.append(time.clock_gettime(clock))
        return note(self, now, late_seconds)

    mock.patch.object(LoopLag, "note", noted).start()
    atexit.register(lambda: out.write_text(json.dumps(marks), encoding="utf-8"))
    sys.argv = ["ptingest", "--config", str(config)]
    cli()


def measure(sink: str, load: Load) -> Pauses:
    """Pauses of one server under one load."""
    with prepared(load, seed=1) as (folder, (warm_up, file)), far_end(sink) as end:
        port, out = processes.free_port(), folder / "marks.json"
        config = processes.write_config(folder, port=port, sinks=end.settings)
        command = f"{{python}} -m benchmarks.pauses --serve {{config}} --out {out}"
        with processes.server(port=port, config=config, command=command) as server:
            send(port, warm_up, load)
            before = _computed(server.pid)
            send(port, file, load)
        marks: list[float] = json.loads(out.read_text(encoding="utf-8"))
    loaded = [mark for mark in marks if mark > before]
    return pauses_of([b - a for a, b in pairwise(loaded)])


def _computed(pid: int) -> float:
    """Processor seconds of the process's first thread, the loop's, so far."""
    line = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text(encoding="utf-8")
    return int(line.split()[0]) / 1e9


def table(found: dict[str, Pauses]) -> str:
    """Markdown: one row a load."""
    rows = [
        f"| {name} | {one.ticks} | {one.p50_ms:.0f} | {one.p99_ms:.0f} | {one.longest_ms:.0f} |"
        for name, one in found.items()
    ]
    head = ["| load | ticks | p50 ms | p99 ms | longest ms |", "|---|---|---|---|---|"]
    return "\n".join(head + rows)


def measure_all() -> dict[str, Pauses]:
    """Every load, one after the other."""
    return {name: measure(sink, load) for name, (sink, load) in LOADS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the loop's pauses.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve, given.out)
        return
    found = measure_all()
    record: dict[str, object] = {name: one._asdict() for name, one in found.items()}
    append_history("pauses", dict(record))
    print(json.dumps({**machine(), **record}) if given.json else table(found))


if __name__ == "__main__":
    main()

"""Many Beats that have an event now and then: what a window with one event in it costs.

    python -m benchmarks.small_windows [--beats 100] [--rate 1] [--sink store] [--runs 3] [--json]

Each Beat has a connection, sends ``--rate`` events a second, each as a window of its own, and
waits for the ack; they take turns within the second. The server's CPU is weighed by the kernel
after a warm-up, the acks are timed at the sender, and the floor of one event (`benchmarks.floor`)
is measured before and after each run, since the machine changes its speed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus, floor, processes
from benchmarks.end_to_end import FarEnd, far_end
from benchmarks.measure import append_history, machine

WARM_UP_SECONDS = 4.0
ACK_BYTES = 6


class Load(NamedTuple):
    """What is offered."""

    beats: int
    rate: float
    """Windows a second of each."""
    seconds: float


class Run(NamedTuple):
    """What one run cost."""

    windows: int
    cpu_us: float
    """A window."""
    cpu_share: float
    """Of one core."""
    windows_a_bulk: float
    """0 where no bulk is sent."""
    ack_ms_p50: float
    ack_ms_p99: float
    floor_us: float
    """An event of full windows, in the same minute."""

    @property
    def floors(self) -> float:
        """How many events of the floor a window costs."""
        return self.cpu_us / self.floor_us


async def _beat(port: int, wires: Sequence[bytes], load: Load, number: int) -> list[float]:
    """Send windows at this Beat's times; returns the seconds that each ack took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop, taken = asyncio.get_running_loop(), []
    start = loop.time() + number / load.beats / load.rate
    for turn in range(round(load.seconds * load.rate)):
        await asyncio.sleep(max(0.0, start + turn / load.rate - loop.time()))
        began = loop.time()
        writer.write(wires[(number + turn) % len(wires)])
        while int.from_bytes((await reader.readexactly(ACK_BYTES))[2:], "big") == 0:
            pass  # a keepalive
        taken.append(loop.time() - began)
    writer.close()
    return taken


async def offer(port: int, load: Load) -> list[float]:
    """Let all Beats send; returns the seconds of all acks."""
    wires = [corpus.window([event], 3) for event in corpus.events(997, 1)]
    beats = (_beat(port, wires, load, number) for number in range(load.beats))
    return [taken for one in await asyncio.gather(*beats) for taken in one]


def bulks_of(end: FarEnd) -> int:
    """Bulks that the null Elasticsearch has taken so far."""
    return processes.null_counts(int(end.url.rpartition(":")[2]))["requests"] if end.url else 0


def floor_us() -> float:
    """What the floor takes for an event just now."""
    return floor.measure_whole(runs=3, compression=3, events=4 * floor.WINDOW).best


def measure(load: Load, sink: str) -> Run:
    """One fresh server under the load."""
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder, far_end(sink) as end:
        port = processes.free_port()
        limits = {"connections_per_ip": 2 * load.beats + 100}
        config = processes.write_config(Path(folder), port=port, sinks=end.settings, limits=limits)
        with processes.server(port=port, config=config) as server:
            asyncio.run(offer(port, load._replace(seconds=WARM_UP_SECONDS)))
            bulks, floor_before = bulks_of(end), floor_us()
            before, began = processes.exact_cpu_seconds(server.pid), time.perf_counter()
            taken = asyncio.run(offer(port, load))
            seconds = time.perf_counter() - began
            cpu = processes.exact_cpu_seconds(server.pid) - before
            bulks, floor_after = bulks_of(end) - bulks, floor_us()
    cuts = statistics.quantiles(taken, n=100)
    return Run(
        len(taken), cpu * 1e6 / len(taken), cpu / seconds, len(taken) / bulks if bulks else 0.0,
        cuts[49] * 1e3, cuts[98] * 1e3, (floor_before + floor_after) / 2,
    )  # fmt: skip


def row(load: Load, sink: str, runs: Sequence[Run]) -> str:
    """One line of the table: medians."""
    middle = Run(*(statistics.median(column) for column in zip(*runs, strict=True)))
    best = min(run.cpu_us for run in runs)
    return (
        f"| {load.beats} x {load.rate:g}/s | {sink} | {middle.cpu_us:,.0f} (best {best:,.0f}) "
        f"| {statistics.median(run.floors for run in runs):.0f} | {100 * middle.cpu_share:.1f} % "
        f"| {middle.windows_a_bulk:.1f} | {middle.ack_ms_p50:.0f} / {middle.ack_ms_p99:.0f} |"
    )


HEAD = (
    "| Beats | sink | CPU us a window | times the floor of an event | of a core | windows a bulk "
    "| ack ms p50 / p99 |\n|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure windows of one event.")
    parser.add_argument("--beats", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1.0, help="windows a second of each")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--sink", choices=("null", "store"), default="null")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    load = Load(given.beats, given.rate, given.seconds)
    runs = [measure(load, given.sink) for _ in range(given.runs)]
    record: dict[str, object] = {"load": load._asdict(), "sink": given.sink}
    record["runs"] = [run._asdict() for run in runs]
    append_history("small_windows", record)
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(HEAD)
    print(row(load, given.sink, runs))


if __name__ == "__main__":
    main()

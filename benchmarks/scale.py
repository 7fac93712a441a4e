"""Cost against work: from 1 to 500 connections, from 100 to 100,000 events a second offered.

    python -m benchmarks.scale [--seconds 6] [--json]

Rate-limited senders (go-lumber) offer each rate over so many connections, each with its
own windows, as large as a Beat's would be that flushes once a second. Each point has a
fresh server with the null Elasticsearch behind it, and an idle server is weighed too,
alone and with 500 connections that say nothing. The last lines fit

    CPU seconds = idle x seconds + event x events + window x windows + opening x connections

through all points: where cost grows in proportion to the work, the fit lies close to
every one of them.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks import corpus, processes
from benchmarks.end_to_end import MIB, NOT_RUN, Load, far_end, send
from benchmarks.measure import append_history, machine
from tests.peers import golumber_peer

CONNECTIONS = (1, 10, 100, 500)
RATES = (100, 1_000, 10_000, 100_000)
MOST_EVENTS = 150_000
"""Of one point; an offer beyond what the server takes ends sooner."""
FILE_EVENTS = 40_960
WINDOW = 2_048
IDLE_SECONDS = 10.0


class Point(NamedTuple):
    """What one offer cost."""

    connections: int
    offered: int
    """Events a second."""
    reached: float
    """Events a second, acked."""
    window: int
    """Events in a window."""
    events: int
    seconds: float
    cpu_seconds: float
    ack_ms_p50: float
    ack_ms_p99: float
    rss_mib: float
    lag_ms: float
    """The event loop's longest pause in the last ten seconds, by its own metric."""

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        return self.cpu_seconds / self.seconds

    @property
    def cpu_us(self) -> float:
        """An event."""
        return self.cpu_seconds * 1e6 / self.events


class Idle(NamedTuple):
    """A server with nothing to do."""

    connections: int
    cpu_share: float
    rss_mib: float


class Fit(NamedTuple):
    """Where the time goes, over all points."""

    idle_share: float
    event_us: float
    window_us: float
    opening_us: float
    """Of one connection, from its first byte to its last."""
    worst_percent: float
    """How far the farthest point lies from the fit."""


class Running(NamedTuple):
    """A server that is measured."""

    pid: int
    port: int
    api: str


@contextmanager
def running() -> Iterator[Running]:
    """A fresh server with a null Elasticsearch, open for many connections from one host."""
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder, far_end("null") as end:
        port = processes.free_port()
        limits = {"connections_per_ip": 1000}
        config = processes.write_config(Path(folder), port=port, sinks=end.settings, limits=limits)
        api = json.loads(config.read_text(encoding="utf-8"))["api"]["listen"]
        with processes.server(port=port, config=config) as server:
            yield Running(server.pid, port, api)


def window_of(rate: int, connections: int) -> int:
    """Events that one of the Beats has after a second: its window, as it flushes then."""
    return max(1, min(WINDOW, round(rate / connections)))


def loop_lag_ms(api: str) -> float:
    """The longest pause that the server tells of, in milliseconds."""
    with urlopen(f"http://{api}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith("ptingest_worker_loop_lag_seconds"):
                return float(value) * 1000
    raise RuntimeError("the server tells nothing of its loop")


def measure_point(folder: Path, connections: int, rate: int, seconds: float) -> Point:
    """Offer one rate over so many connections for so long."""
    window = window_of(rate, connections)
    wanted = min(int(rate * seconds), MOST_EVENTS)
    repeat = -(-wanted // FILE_EVENTS)
    file = folder / "events.ndjson"
    corpus.write_ndjson(file, -(-wanted // repeat), seed=1)
    load = Load(connections=connections, pipeline=2, batch=window)
    with running() as server:
        send(server.port, file, load._replace(connections=1, batch=WINDOW), rate=20_000)
        before, began = processes.exact_cpu_seconds(server.pid), time.perf_counter()
        sent = send(server.port, file, load, rate=rate, repeat=repeat).sent
        # Starting the sender belongs to nobody; what it says is when it sent.
        took = max(sent.seconds, time.perf_counter() - began - 1.0)
        cpu = processes.exact_cpu_seconds(server.pid) - before
        lag, rss = loop_lag_ms(server.api), processes.memory(server.pid).now / MIB
    return Point(
        connections, rate, sent.events_per_second, window, sent.events_acked, took, cpu,
        sent.ack_ms_p50, sent.ack_ms_p99, rss, lag,
    )  # fmt: skip


def measure_idle(connections: int, seconds: float) -> Idle:
    """Weigh a server that has so many connections, each of which once sent an event."""
    wire = corpus.window(corpus.events(1, 1), 3)
    with running() as server, ExitStack() as stack:
        for _ in range(connections):
            beat = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            beat.sendall(wire)
            if not beat.recv(6):
                raise RuntimeError("the server closed an idle connection")
        time.sleep(2.0)  # what is imported late is imported by now
        before = processes.exact_cpu_seconds(server.pid)
        time.sleep(seconds)
        cpu = processes.exact_cpu_seconds(server.pid) - before
        return Idle(connections, cpu / seconds, processes.memory(server.pid).now / MIB)


def fit(points: Sequence[Point]) -> Fit:
    """Least squares of the relative errors, by the normal equations."""
    rows = [
        [
            value / one.cpu_seconds
            for value in (one.seconds, one.events, one.events / one.window, one.connections)
        ]
        for one in points
    ]
    unknowns = range(len(rows[0]))
    matrix = [[sum(row[i] * row[j] for row in rows) for j in unknowns] for i in unknowns]
    found = _solve(matrix, [sum(row[i] for row in rows) for i in unknowns])
    told = [sum(a * b for a, b in zip(found, row, strict=True)) for row in rows]
    worst = max(abs(1 - value) for value in told)
    idle, event, window, opening = found
    return Fit(idle, event * 1e6, window * 1e6, opening * 1e6, 100 * worst)


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss with pivots; the matrix is small and regular."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for below in range(at + 1, size):
            factor = rows[below][at] / rows[at][at]
            rows[below] = [a - factor * b for a, b in zip(rows[below], rows[at], strict=True)]
    found = [0.0] * size
    for at in reversed(range(size)):
        known = sum(rows[at][other] * found[other] for other in range(at + 1, size))
        found[at] = (rows[at][size] - known) / rows[at][at]
    return found


def table(points: Sequence[Point], idles: Sequence[Idle]) -> str:
    """Markdown: one row a point."""
    lines = [
        "| connections | offered/s | acked/s | window | CPU of a core | CPU us/event "
        "| ack ms p50 / p99 | MiB | loop ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.connections} | {one.offered:,} | {one.reached:,.0f} | {one.window} "
        f"| {100 * one.cpu_share:.1f} % | {one.cpu_us:.1f} "
        f"| {one.ack_ms_p50:.0f} / {one.ack_ms_p99:.0f} | {one.rss_mib:.0f} | {one.lag_ms:.0f} |"
        for one in points
    ]
    lines += [
        f"| {idle.connections}, idle | 0 | 0 | | {100 * idle.cpu_share:.2f} % | | | "
        f"{idle.rss_mib:.0f} | |"
        for idle in idles
    ]
    return "\n".join(lines)


def sentence(found: Fit) -> str:
    """The fit in words."""
    return (
        f"fit: {100 * found.idle_share:.2f} % of a core at rest, {found.event_us:.1f} us an "
        f"event, {found.window_us:.0f} us a window, {found.opening_us:.0f} us a connection; the "
        f"farthest point lies {found.worst_percent:.0f} % off"
    )


def record_of(points: Sequence[Point], idles: Sequence[Idle]) -> dict[str, object]:
    """For the history and for ``--json``."""
    return {
        "points": [
            {**one._asdict(), "cpu_us": one.cpu_us, "cpu_share": one.cpu_share} for one in points
        ],
        "idle": [idle._asdict() for idle in idles],
        "fit": fit(points)._asdict(),
    }


def measure(folder: Path, seconds: float) -> tuple[list[Point], list[Idle]]:
    """Every point of the grid, and idle servers."""
    golumber_peer.build()
    idles = [measure_idle(connections, IDLE_SECONDS) for connections in (0, max(CONNECTIONS))]
    points = []
    for rate in RATES:
        for connections in CONNECTIONS:
            try:
                points.append(measure_point(folder, connections, rate, seconds))
            except NOT_RUN as error:
                print(f"{connections} connections, {rate} events/s: {error}", file=sys.stderr)
    return points, idles


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure cost against work.")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each point, about")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        points, idles = measure(Path(folder), given.seconds)
    record = record_of(points, idles)
    append_history("scale", dict(record))
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(table(points, idles))
    print("\n" + sentence(fit(points)))


if __name__ == "__main__":
    main()

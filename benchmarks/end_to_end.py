"""The whole road: go-lumber's client, a server, and a place to put the documents.

What is measured is the processor time of the server, all its processes together, from
the first byte to the last ack, divided by the events acked. Sender and sink are processes
of their own and do not count. Beside it stand the floor of the same minutes
(`benchmarks.floor`), events a second, how long windows waited for their acks, and memory.

    python -m benchmarks.end_to_end                          null Elasticsearch
    python -m benchmarks.end_to_end --sink store             the embedded store
    python -m benchmarks.end_to_end --sink http://127.0.0.1:9200
    python -m benchmarks.end_to_end --server-command 'other-server --port {port}'

A window counts only when it was acked, and with the null Elasticsearch the documents that
arrived must be as many as the events sent, else the run is worth nothing and fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus, floor, processes
from benchmarks.measure import Runs, append_history, machine
from tests.peers import golumber_peer

WARM_UP = 4_096
MIB = 1 << 20


class Load(NamedTuple):
    """How the sender behaves."""

    events: int = 81_920
    connections: int = 4
    pipeline: int = 2
    compression: int = 3
    batch: int = 2_048


class Run(NamedTuple):
    """What one run showed."""

    cpu_us: float
    events_per_second: float
    ack_ms_p50: float
    ack_ms_p99: float
    start_mib: float
    peak_mib: float


class WrongBooks(Exception):
    """Not everything that was sent was acked and arrived once."""


@contextmanager
def sink_settings(sink: str) -> Iterator[tuple[dict[str, object], int | None]]:
    """The config's ``sinks`` for a sink's name, and the null Elasticsearch's port."""
    if sink == "store":
        yield {"store": {}}, None
    elif sink == "null":
        with processes.null_elasticsearch() as port:
            yield {"elasticsearch": {"hosts": [f"http://127.0.0.1:{port}"]}}, port
    else:
        yield {"elasticsearch": {"hosts": [sink]}}, None


def send(port: int, file: Path, load: Load) -> golumber_peer.Sent:
    """Send the file over all connections, windows shared among them; wait for the acks."""
    command = golumber_peer.command(
        port,
        file,
        share=True,
        connections=load.connections,
        pipeline=load.pipeline,
        compress=load.compression,
        batch=load.batch,
        limit="60s",
    )
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=120)
    sent = golumber_peer.read_report(done.stdout.decode())
    if sent.events_acked != sent.events:
        raise WrongBooks(f"{sent.events_acked} of {sent.events} acked: {sent.last_error}")
    return sent


def run_once(
    folder: Path,
    files: tuple[Path, Path],
    load: Load,
    *,
    sink: str,
    workers: int,
    command: str | None,
) -> Run:
    """Start everything, warm up, measure one load, and end everything."""
    warm_up, file = files
    with sink_settings(sink) as (sinks, null_port):
        port = processes.free_port()
        config = processes.write_config(folder, port=port, sinks=sinks, workers=workers)
        elasticsearch = f"http://127.0.0.1:{null_port}" if null_port else sink
        with processes.server(
            port=port, config=config, command=command, elasticsearch=elasticsearch
        ) as server:
            at_start = processes.memory(server.pid).now
            send(port, warm_up, load)
            before = processes.cpu_seconds(server.pid)
            sent = send(port, file, load)
            cpu = processes.cpu_seconds(server.pid) - before
            peak = processes.memory(server.pid).peak
        if null_port is not None:
            arrived = processes.null_counts(null_port)["documents"]
            if arrived != load.events + WARM_UP + sent.events_resent:
                raise WrongBooks(f"{load.events + WARM_UP} sent, {arrived} arrived")
    return Run(
        cpu * 1e6 / sent.events_acked,
        sent.events_per_second,
        sent.ack_ms_p50,
        sent.ack_ms_p99,
        at_start / MIB,
        peak / MIB,
    )


def measure(
    load: Load,
    *,
    sink: str = "null",
    workers: int = 1,
    command: str | None = None,
    runs: int = 3,
    seed: int = 1,
) -> dict[str, Runs]:
    """Several runs, each with fresh processes and an empty sink."""
    golumber_peer.build()
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
        root = Path(place)
        files = root / "warm_up.ndjson", root / "events.ndjson"
        corpus.write_ndjson(files[0], WARM_UP, seed + 1)
        corpus.write_ndjson(files[1], load.events, seed)
        results = []
        for number in range(runs):
            folder = root / f"run{number}"
            folder.mkdir()
            results.append(
                run_once(folder, files, load, sink=sink, workers=workers, command=command)
            )
    columns = zip(*results, strict=True)
    return {name: Runs.of(list(column)) for name, column in zip(Run._fields, columns, strict=True)}


def name_of(load: Load, sink: str) -> str:
    """The name under which runs of this shape are comparable in the history."""
    kind = sink if sink in ("null", "store") else "elasticsearch"
    windows = load.connections * (load.pipeline + 1)
    return f"end_to_end {kind} compression {load.compression} windows {windows}"


def record_of(
    figures: dict[str, Runs], base: floor.Pair, load: Load, sink: str
) -> dict[str, object]:
    """One run's figures beside the floor, for the history and for `--json`."""
    return {
        "sink": sink,
        "load": load._asdict(),
        "floor_us": base.alone.as_json(),
        "times_floor": round(figures["cpu_us"].best / base.alone.best, 2),
        "floor_busy_us": base.busy.as_json(),
        "times_floor_busy": round(figures["cpu_us"].median / base.busy.median, 2),
        **{name: runs.as_json() for name, runs in figures.items()},
    }


def table(figures: dict[str, Runs], base: floor.Pair, title: str) -> str:
    """The figures for a reader."""
    cpu = figures["cpu_us"]
    return "\n".join(
        [
            title,
            f"  server CPU us/event   {cpu}",
            f"  floor CPU us/event    {base.alone}",
            f"    the same, cores busy {base.busy}",
            f"  times the floor       {cpu.best / base.alone.best:.2f} (best over best), "
            f"{cpu.median / base.busy.median:.2f} with busy cores (median over median)",
            f"  events/s              {figures['events_per_second'].median:,.0f}"
            f" (best {figures['events_per_second'].worst:,.0f})",
            f"  ack ms, median / p99  {figures['ack_ms_p50'].median:.0f} / "
            f"{figures['ack_ms_p99'].median:.0f}",
            f"  MiB at start / peak   {figures['start_mib'].median:.0f} / "
            f"{figures['peak_mib'].worst:.0f}",
        ]
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the whole road.")
    parser.add_argument("--sink", default="null", help="null, store, or Elasticsearch's URL")
    parser.add_argument("--server-command", help="measure this server: {port} {elasticsearch}")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int, default=Load().events)
    parser.add_argument("--connections", type=int, default=Load().connections)
    parser.add_argument("--pipeline", type=int, default=Load().pipeline)
    parser.add_argument("--compression", type=int, default=Load().compression)
    parser.add_argument("--batch", type=int, default=Load().batch)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    load = Load(given.events, given.connections, given.pipeline, given.compression, given.batch)
    base = floor.measure_pair(compression=load.compression)
    figures = measure(
        load,
        sink=given.sink,
        workers=given.workers,
        command=given.server_command,
        runs=given.runs,
    )
    record = record_of(figures, base, load, given.sink)
    append_history(name_of(load, given.sink), record)
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(table(figures, base, f"{load.events:,} events of {given.sink}, {given.runs} runs"))


if __name__ == "__main__":
    main()

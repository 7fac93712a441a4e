"""End to end: go-lumber's client, a server, and a sink for the documents.

What is measured is the processor time of the server, user and system, all its processes
together, from the first byte to the last ack, divided by the events acked. Sender and sink
are processes of their own; what they took is told apart, to show that neither was what
the server waited for. Beside it stand the floor of the same minutes (`benchmarks.floor`),
events a second, how long windows waited for their acks, and memory.

    python -m benchmarks.end_to_end                          null Elasticsearch
    python -m benchmarks.end_to_end --sink store             the embedded store
    python -m benchmarks.end_to_end --sink elasticsearch     a real one, started for this
    python -m benchmarks.end_to_end --sink http://127.0.0.1:9200
    python -m benchmarks.end_to_end --workers 2
    python -m benchmarks.end_to_end --sink none --server-command 'other-server --port {port}'

A window counts only when it was acked, and the documents that arrived must be as many as
the events sent (where the sink can be asked), else the run is worth nothing and fails.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus, floor, instructions, processes
from benchmarks.measure import Runs, append_history, machine
from tests.peers import golumber_peer

MIB = 1 << 20
EVENTS = {"store": 40_960, "elasticsearch": 40_960}
"""Events a run for the slower sinks, unless told otherwise."""
WARM_UP = {"elasticsearch": 163_840}
"""Events before them: a node's first hundred thousand documents cost several times the later."""


class Load(NamedTuple):
    """How the sender behaves."""

    events: int = 81_920
    connections: int = 4
    pipeline: int = 2
    compression: int = 3
    batch: int = 2_048
    warm_up: int = 4_096
    """Events sent before, not measured."""
    small: bool = False
    """Events without host metadata."""


class Target(NamedTuple):
    """What is measured, and where its documents go."""

    name: str = "ptingest"
    sink: str = "null"
    """null, store, elasticsearch (a real one is started), an Elasticsearch's URL, or none:
    the server keeps nothing that could be counted."""
    workers: int = 1
    command: str | None = None
    """Another server: {port}, {config}, {elasticsearch} and {python} are filled in."""


class Run(NamedTuple):
    """What one run showed."""

    cpu_us: float
    events_per_second: float
    ack_ms_p50: float
    ack_ms_p99: float
    start_mib: float
    peak_mib: float
    sender_us: float
    """Processor time of the sender an event; it is no bottleneck while this times the rate
    is well below one second."""
    sink_us: float
    floor_us: float
    """`floor.Pair` as it was before and after this run, the mean of both."""
    floor_busy_us: float
    times_floor: float
    times_floor_busy: float
    """``cpu_us`` over each of the two: what the host's own speed has little to do with."""


class FarEnd(NamedTuple):
    """Where documents go in a run."""

    settings: dict[str, object]
    """The config's ``sinks``."""
    url: str = ""
    pid: int | None = None
    documents: Callable[[], int] | None = None
    """How many documents are there; None where nobody can say."""


class WrongBooks(Exception):
    """Not everything that was sent was acked and arrived once."""


NOT_RUN = (WrongBooks, processes.DidNotStart, AssertionError)
"""What ends a row and not the table: a server that does not start, or loses events."""


@contextmanager
def null_end() -> Iterator[FarEnd]:
    """An Elasticsearch that stores nothing."""
    with processes.null_elasticsearch() as (port, pid):
        url = f"http://127.0.0.1:{port}"
        yield FarEnd(
            {"elasticsearch": {"hosts": [url]}},
            url,
            pid,
            lambda: processes.null_counts(port)["documents"],
        )


@contextmanager
def real_end() -> Iterator[FarEnd]:
    """A real Elasticsearch node with our template, started for this and empty."""
    from tests.peers.elasticsearch_peer import AS_SERVED, install_template, start_elasticsearch

    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise processes.DidNotStart(f"a real Elasticsearch needs {tool}, which is missing")
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
        node = start_elasticsearch(Path(place), java=AS_SERVED)
        try:
            install_template(node)

            def documents() -> int:
                node.must("POST", "/logs-*-pt/_refresh")
                return int(node.must("GET", "/logs-*-pt/_count")["count"])

            yield FarEnd(
                {"elasticsearch": {"hosts": [node.url]}}, node.url, node.process.pid, documents
            )
        finally:
            node.kill()


@contextmanager
def far_end(sink: str) -> Iterator[FarEnd]:
    """Start what a sink's name stands for."""
    if sink == "null":
        with null_end() as end:
            yield end
    elif sink == "elasticsearch":
        with real_end() as end:
            yield end
    elif sink in ("store", "none"):
        yield FarEnd({"store": {}})
    else:
        yield FarEnd({"elasticsearch": {"hosts": [sink]}}, sink)


class Delivery(NamedTuple):
    """What the sender said, and what it took."""

    sent: golumber_peer.Sent
    cpu_seconds: float


def send(port: int, file: Path, load: Load, *, rate: float = 0.0, repeat: int = 1) -> Delivery:
    """Send the file over all connections, windows shared among them; wait for the acks.

    With a ``rate`` no more than so many events a second are offered, by all together.
    """
    command = golumber_peer.command(
        port,
        file,
        share=True,
        connections=load.connections,
        pipeline=load.pipeline,
        compress=load.compression,
        batch=load.batch,
        rate=rate,
        repeat=repeat,
        limit="120s",
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=180)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sent = golumber_peer.read_report(done.stdout.decode())
    if sent.events_acked != sent.events:
        raise WrongBooks(f"{sent.events_acked} of {sent.events} acked: {sent.last_error}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Delivery(sent, cpu)


def run_once(
    folder: Path, files: tuple[Path, Path], load: Load, target: Target, before: floor.Pair
) -> tuple[Run, floor.Pair]:
    """Start everything, warm up, measure one load, and end everything.

    The floor was measured ``before``; what it is afterwards is returned as well.
    """
    warm_up, file = files
    with far_end(target.sink) as end:
        port = processes.free_port()
        config = processes.write_config(
            folder, port=port, sinks=end.settings, workers=target.workers
        )
        with processes.server(
            port=port, config=config, command=target.command, elasticsearch=end.url
        ) as server:
            time.sleep(1.0)  # workers are up, and what is imported late is imported
            at_start = processes.memory(server.pid).now
            warmed = send(port, warm_up, load).sent
            cpu_before = processes.cpu_seconds(server.pid)
            sink_before = processes.cpu_seconds(end.pid) if end.pid else 0.0
            sent, sender_cpu = send(port, file, load)
            cpu = processes.cpu_seconds(server.pid) - cpu_before
            sink_cpu = processes.cpu_seconds(end.pid) - sink_before if end.pid else 0.0
            peak = processes.memory(server.pid).peak
        if end.documents is not None:
            _check_books(end.documents(), warmed, sent)
    after = floor.measure_pair(compression=load.compression, small=load.small)
    alone, busy = (before.alone + after.alone) / 2, (before.busy + after.busy) / 2
    cpu_us = cpu * 1e6 / sent.events_acked
    run = Run(
        cpu_us,
        sent.events_per_second,
        sent.ack_ms_p50,
        sent.ack_ms_p99,
        at_start / MIB,
        peak / MIB,
        sender_cpu * 1e6 / sent.events_acked,
        sink_cpu * 1e6 / sent.events_acked,
        alone,
        busy,
        cpu_us / alone,
        cpu_us / busy,
    )
    return run, after


def _check_books(arrived: int, *sendings: golumber_peer.Sent) -> None:
    """With keys a resent event is no second document, so it need not have arrived again."""
    fewest = sum(sent.events for sent in sendings)
    most = fewest + sum(sent.events_resent for sent in sendings)
    if not fewest <= arrived <= most:
        raise WrongBooks(f"{fewest} sent, {arrived} arrived")


@contextmanager
def prepared(load: Load, seed: int) -> Iterator[tuple[Path, tuple[Path, Path]]]:
    """A folder for runs, and in it the files to warm up with and to send."""
    golumber_peer.build()
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
        root = Path(place)
        files = root / "warm_up.ndjson", root / "events.ndjson"
        # Of another Beat: two events of one Beat, place and text would be one document.
        warm_up = [
            event.replace(b'"id":"5f0f3a55-', b'"id":"aaaaaaaa-')
            for event in corpus.events(load.warm_up, seed + 1, small=load.small)
        ]
        files[0].write_bytes(b"\n".join(warm_up) + b"\n")
        corpus.write_ndjson(files[1], load.events, seed, small=load.small)
        yield root, files


def measure_all(
    load: Load,
    targets: list[Target],
    *,
    runs: int = 3,
    seed: int = 1,
    failures: dict[str, str] | None = None,
) -> dict[str, dict[str, Runs]]:
    """Several runs of each target, in turns, each with fresh processes and an empty sink.

    In turns, so that a minute in which the machine was slow is every target's minute, and
    with the floor before and after each, since the host's speed changes within minutes. Where
    ``failures`` are collected, a target that fails is left out from there on; else it raises.
    """
    results: dict[str, list[Run]] = {target.name: [] for target in targets}
    kept = list(targets)
    with prepared(load, seed) as (root, files):
        base = floor.measure_pair(compression=load.compression, small=load.small)
        for number in range(runs):
            for target in tuple(kept):
                try:
                    with tempfile.TemporaryDirectory(dir=root, prefix=f"run{number}-") as folder:
                        run, base = run_once(Path(folder), files, load, target, base)
                        results[target.name].append(run)
                except NOT_RUN as error:
                    if failures is None:
                        raise
                    failures[target.name] = str(error)
                    kept.remove(target)
    return {target.name: _columns(results[target.name]) for target in kept}


def _columns(results: list[Run]) -> dict[str, Runs]:
    columns = zip(*results, strict=True)
    return {name: Runs.of(list(column)) for name, column in zip(Run._fields, columns, strict=True)}


def measure(
    load: Load,
    *,
    sink: str = "null",
    workers: int = 1,
    command: str | None = None,
    runs: int = 3,
    seed: int = 1,
) -> dict[str, Runs]:
    """Several runs of one server."""
    target = Target("it", sink, workers, command)
    return measure_all(load, [target], runs=runs, seed=seed)["it"]


COUNTED = Load(events=4_096, connections=2, pipeline=0, warm_up=2_048)
"""A server under callgrind takes some 500 events a second."""


class Counted(NamedTuple):
    """Instructions an event, in user space: what no neighbour changes."""

    server: float
    floor: float


def count_instructions(target: Target, load: Load = COUNTED, *, seed: int = 1) -> Counted | None:
    """Instructions of one server of ours (one worker), and of the floor; None without valgrind."""
    if not instructions.is_callgrind_here():
        return None
    with prepared(load, seed) as (root, (warm_up, file)), far_end(target.sink) as end:
        port, out = processes.free_port(), root / "out"
        config = processes.write_config(root, port=port, sinks=end.settings)
        words = instructions.under_callgrind(out, [*processes.SERVER, "--config", str(config)])
        with processes.server(
            port=port, config=config, command=shlex.join(words), seconds=300.0
        ) as server:
            send(port, warm_up, load)
            instructions.switch(server.pid, on=True)
            instructions.dump(server.pid)
            began = time.monotonic()
            events = send(port, file, load).sent.events_acked
            instructions.dump(server.pid)
            # Timers go on for as long as callgrind takes, which depends on the neighbours.
            time.sleep(time.monotonic() - began)
            instructions.dump(server.pid)
        sums = [instructions.summary(out.with_name(f"out.{number}")) for number in (2, 3)]
        cost = (sums[0] - sums[1]) / events
    works = "small_works" if load.small else "all_works"
    base = instructions.count(f"benchmarks.floor:{works}", events=floor.WINDOW)
    return Counted(cost, base["floor with keys"])


def name_of(load: Load, sink: str, workers: int = 1) -> str:
    """The name under which runs of this shape are comparable in the history."""
    kind = sink if sink in ("null", "store", "none") else "elasticsearch"
    windows = load.connections * (load.pipeline + 1)
    many = f" workers {workers}" if workers != 1 else ""
    small = " small" if load.small else ""
    return f"end_to_end{small} {kind} compression {load.compression} windows {windows}{many}"


def record_of(figures: dict[str, Runs], load: Load, sink: str) -> dict[str, object]:
    """One run's figures beside the floor, for the history and for `--json`."""
    columns = {name: runs.as_json() for name, runs in figures.items()}
    return {"sink": sink, "load": load._asdict(), **columns}


def table(figures: dict[str, Runs], title: str) -> str:
    """The figures for a reader."""
    return "\n".join(
        [
            title,
            f"  server CPU us/event   {figures['cpu_us']}",
            f"  floor, before and after each run {figures['floor_us']}",
            f"    the same, cores busy {figures['floor_busy_us']}",
            f"  times the floor       {figures['times_floor']}",
            f"    the same, cores busy {figures['times_floor_busy']}",
            f"  sender, sink us/event {figures['sender_us'].median:.1f}, "
            f"{figures['sink_us'].median:.1f}, beside it",
            f"  events/s              {figures['events_per_second'].median:,.0f}"
            f" (best {figures['events_per_second'].worst:,.0f})",
            f"  ack ms, median / p99  {figures['ack_ms_p50'].median:.0f} / "
            f"{figures['ack_ms_p99'].median:.0f}",
            f"  MiB at start / peak   {figures['start_mib'].median:.0f} / "
            f"{figures['peak_mib'].worst:.0f}",
        ]
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure a server end to end.")
    parser.add_argument(
        "--sink", default="null", help="null, store, elasticsearch (started here), its URL, or none"
    )
    parser.add_argument(
        "--server-command", help="measure this server: {port} {config} {elasticsearch} {python}"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--events", type=int)
    parser.add_argument("--connections", type=int, default=Load().connections)
    parser.add_argument("--pipeline", type=int, default=Load().pipeline)
    parser.add_argument("--compression", type=int, default=Load().compression)
    parser.add_argument("--batch", type=int, default=Load().batch)
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="count the server's instead of timing it (one worker, callgrind; some minutes)",
    )
    parser.add_argument(
        "--small", action="store_true", help="events of some 600 bytes: without host metadata"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _show_instructions(sink: str, *, small: bool, as_json: bool) -> None:
    counted = count_instructions(Target(sink=sink), COUNTED._replace(small=small))
    if counted is None:
        raise SystemExit("counting instructions needs valgrind")
    record: dict[str, object] = {"sink": sink, "instructions_an_event": counted._asdict()}
    append_history(f"instructions {sink}{' small' if small else ''}", dict(record))
    if as_json:
        print(json.dumps({**machine(), **record}))
        return
    print(instructions_sentence(sink, counted))


def instructions_sentence(sink: str, counted: Counted) -> str:
    """What was counted, in words."""
    return (
        f"instructions an event, {sink}: server {counted.server:,.0f}, floor {counted.floor:,.0f}, "
        f"{counted.server / counted.floor:.2f} times (user space; the kernel's work is not counted)"
    )


def main() -> None:
    given = parse_arguments()
    if given.instructions:
        _show_instructions(given.sink, small=given.small, as_json=given.json)
        return
    events = given.events or EVENTS.get(given.sink, Load().events)
    warm_up = WARM_UP.get(given.sink, Load().warm_up)
    load = Load(events, given.connections, given.pipeline, given.compression, given.batch, warm_up)
    load = load._replace(small=given.small)
    figures = measure(
        load,
        sink=given.sink,
        workers=given.workers,
        command=given.server_command,
        runs=given.runs,
    )
    record = record_of(figures, load, given.sink)
    record["workers"] = given.workers
    if given.server_command is None:
        append_history(name_of(load, given.sink, given.workers), record)
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(table(figures, f"{load.events:,} events of {given.sink}, {given.runs} runs"))


if __name__ == "__main__":
    main()

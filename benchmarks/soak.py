"""Nothing grows: steady load for many minutes through a real server into the embedded store.

Each round a go-lumber sender opens new connections and offers new events at a fixed rate;
after it the server is weighed: resident memory, open files, threads, the books, CPU an
event. The store is kept so small that retention deletes all the time once it is full, so
that its file must stand still as well. The run fails when the last quarter of the rounds
needs more than the second (the first fills caches), or an event is missing.

    python -m benchmarks.soak [--minutes 10] [--rate 1000] [--sink store|null] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks import corpus, processes
from benchmarks.end_to_end import MIB, Load, far_end, send
from benchmarks.measure import append_history, machine
from tests.peers import golumber_peer

ROUND_SECONDS = 10
CONNECTIONS = 4
WINDOW = 256
STORE_BYTES = 64 << 20
FEWEST_ROUNDS = 8


class Sample(NamedTuple):
    """The server after one round."""

    seconds: float
    events: int
    rss_mib: float
    files: int
    threads: int
    cpu_us: float
    """Of each event of the round, idle time between rounds included."""
    lag_ms: float
    residue: float
    """Books out of balance by so many events."""
    received: float
    settled: float
    store_mib: float


class Allowed(NamedTuple):
    """How much more the last quarter may need than the second."""

    factor: float
    more: float


ALLOWED = {
    "rss_mib": Allowed(1.05, 3.0),
    "files": Allowed(1.0, 0.0),
    "threads": Allowed(1.0, 0.0),
    "cpu_us": Allowed(1.5, 0.0),  # the machine's other work comes and goes
    "store_mib": Allowed(1.05, 8.0),
}


def complaints(samples: Sequence[Sample]) -> list[str]:
    """Say what grew or does not balance; empty when all is well."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    for name, allowed in ALLOWED.items():
        before = statistics.median(getattr(sample, name) for sample in early)
        after = statistics.median(getattr(sample, name) for sample in late)
        if after > before * allowed.factor + allowed.more:
            found.append(f"{name} grew from {before:.1f} to {after:.1f}")
    found += [
        f"after {sample.seconds:.0f} s: {sample.events} events acked, {sample.received:.0f} "
        f"received, {sample.settled:.0f} settled, residue {sample.residue:.0f}"
        for sample in samples
        if sample.residue or not sample.received == sample.settled == sample.events
    ]
    return found


def metrics_of(port: int) -> dict[str, float]:
    """Sums over the labels of each metric of ours."""
    sums: dict[str, float] = {}
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("ptingest_"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0.0) + abs(float(value))
    return sums


def weigh(pid: int, *, api: int, folder: Path, began: float, events: int, cpu_us: float) -> Sample:
    """Look at the server from outside."""
    metrics = metrics_of(api)
    proc = Path(f"/proc/{pid}")
    return Sample(
        seconds=time.monotonic() - began,
        events=events,
        rss_mib=processes.memory(pid).now / MIB,
        files=len(list((proc / "fd").iterdir())),
        threads=len(list((proc / "task").iterdir())),
        cpu_us=cpu_us,
        lag_ms=metrics["ptingest_worker_loop_lag_seconds"] * 1000,
        residue=metrics.get("ptingest_flow_residue_events", 0.0),
        received=metrics.get("ptingest_flow_received_events_total", 0.0),
        settled=metrics.get("ptingest_lane_settled_events_total", 0.0),
        store_mib=sum(file.stat().st_size for file in (folder / "data").glob("store.*")) / MIB,
    )


def soak(*, minutes: float, rate: int, sink: str, seed: int = 1) -> list[Sample]:
    """Run the rounds; prints a line for each to standard error."""
    golumber_peer.build()
    load = Load(connections=CONNECTIONS, batch=WINDOW)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="ptingest-soak-") as place, far_end(sink) as end:
        folder, port = Path(place), processes.free_port()
        sinks = {"store": {"max_bytes": STORE_BYTES}} if sink == "store" else end.settings
        config = processes.write_config(folder, port=port, sinks=sinks)
        api = int(json.loads(config.read_text())["api"]["listen"].rpartition(":")[2])
        with processes.server(port=port, config=config) as server:
            time.sleep(1.0)  # what is imported late is imported
            began, events = time.monotonic(), 0
            cpu = processes.cpu_seconds(server.pid)
            for number in range(max(FEWEST_ROUNDS, int(minutes * 60 / ROUND_SECONDS))):
                file = folder / "events.ndjson"
                corpus.write_ndjson(file, rate * ROUND_SECONDS, seed + number)
                events += send(port, file, load, rate=rate).sent.events_acked
                before, cpu = cpu, processes.cpu_seconds(server.pid)
                cost = (cpu - before) * 1e6 / (rate * ROUND_SECONDS)
                sample = weigh(
                    server.pid, api=api, folder=folder, began=began, events=events, cpu_us=cost
                )
                samples.append(sample)
                print(line_of(sample), file=sys.stderr, flush=True)
    return samples


def line_of(sample: Sample) -> str:
    """One sample for a reader."""
    return (
        f"{sample.seconds:6.0f} s {sample.events:>9,} events  RSS {sample.rss_mib:5.1f} MiB  "
        f"{sample.files} files  {sample.threads} threads  {sample.cpu_us:5.1f} us/event  "
        f"pause {sample.lag_ms:4.0f} ms  store {sample.store_mib:5.1f} MiB  "
        f"residue {sample.residue:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Steady load; fails when something grows.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--sink", default="store", choices=("store", "null"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    samples = soak(minutes=given.minutes, rate=given.rate, sink=given.sink)
    found = complaints(samples)
    record = {
        "sink": given.sink,
        "rate": given.rate,
        "minutes": round(samples[-1].seconds / 60, 1),
        "first": samples[0]._asdict(),
        "last": samples[-1]._asdict(),
        "complaints": found,
    }
    append_history(f"soak {given.sink}", record)
    if given.json:
        print(json.dumps({**machine(), **record}))
    else:
        print("\n".join(map(line_of, (samples[0], samples[len(samples) // 2], samples[-1]))))
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()

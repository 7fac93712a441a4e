"""Does the lane find as good a batch size and number in flight as a patient person would?

A server writes to an Elasticsearch with a temper (`shaped_elasticsearch`) under full load:
once for each point of a grid with `tuning: fixed`, then with `tuning: auto` for a minute
and a bit. Compared are documents a second at the far end, of the last seconds of each.

    python -m benchmarks.tuning                           the default temper, six minutes
    python -m benchmarks.tuning --sink http://127.0.0.1:9200   a real one instead
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from benchmarks import corpus, processes
from benchmarks.measure import append_history, machine
from tests.peers import golumber_peer

GRID = [(slots, mib) for slots in (1, 3, 8) for mib in (0.625, 2.5)]
SETTLE_SECONDS, MEASURE_SECONDS = 6.0, 8.0
FIND_SECONDS, FOUND_SECONDS = 60.0, 15.0


@contextmanager
def shaped(words: list[str]) -> Iterator[int]:
    """Run the Elasticsearch with a temper; gives its port."""
    command = [sys.executable, "-m", "benchmarks.shaped_elasticsearch", *words]
    process = subprocess.Popen(command, cwd=processes.ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        processes.stop(process)
        if process.stdout is not None:
            process.stdout.close()


def lane_of(api: int) -> dict[str, object]:
    """The lane's row of the server's `/status`."""
    with urlopen(f"http://127.0.0.1:{api}/status", timeout=30) as answer:
        lane: dict[str, object] = json.load(answer)["lanes"]["elasticsearch"]
    return lane


def wait_for_api(api: int, seconds: float = 60.0) -> None:
    """Return once the HTTP port answers; it opens after the Beats port."""
    until = time.monotonic() + seconds
    while True:
        try:
            lane_of(api)
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def stored(api: int) -> float:
    """Documents that the server saw stored."""
    with urlopen(f"http://127.0.0.1:{api}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    name = "ptingest_lane_settled_events_total{"
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(name) and 'stored"' in line
    )


def run(
    folder: Path, file: Path, hosts: str, sink: dict[str, object], *, settle: float, measure: float
) -> tuple[float, dict[str, object]]:
    """One server under full load; returns documents a second at the end, and its lane."""
    folder.mkdir()
    port = processes.free_port()
    sinks = {"elasticsearch": {"hosts": [hosts], **sink}}
    config = processes.write_config(folder, port=port, sinks=sinks)
    api = int(json.loads(config.read_text())["api"]["listen"].rpartition(":")[2])
    limit = f"{settle + measure + 5:.0f}s"
    command = golumber_peer.command(
        port, file, connections=8, pipeline=3, batch=2048, repeat=1000, limit=limit, timeout="120s"
    )
    with processes.server(port=port, config=config):
        wait_for_api(api)
        sender = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(settle)
            before, began = stored(api), time.monotonic()
            time.sleep(measure)
            rate = (stored(api) - before) / (time.monotonic() - began)
            lane = lane_of(api)
        finally:
            sender.terminate()
            sender.wait()
    return rate, lane


def compare(measure: Callable[..., tuple[float, dict[str, object]]]) -> dict[str, object]:
    """Sweep the grid, let the lane find its own, and set them side by side."""
    rates: dict[str, float] = {}
    for slots, mib in GRID:
        size = int(mib * (1 << 20))
        batch = {"max_bytes": size, "max_documents": 100_000}
        sink = {"tuning": "fixed", "concurrency": slots, "batch": batch}
        name = f"{slots} x {mib:g} MiB"
        rates[name], _ = measure(name, sink, settle=SETTLE_SECONDS, measure=MEASURE_SECONDS)
        print(f"  {name:14} {rates[name]:8,.0f} documents/s", flush=True)
    found, lane = measure("auto", {}, settle=FIND_SECONDS, measure=FOUND_SECONDS)
    best = max(rates, key=rates.__getitem__)
    share = found / rates[best]
    print(f"  {'auto':14} {found:8,.0f} documents/s, {share:.0%} of the best, {best}")
    print(json.dumps(lane["tuning"], indent=1))
    return {"grid": rates, "best": best, "auto": found, "share": share, "tuning": lane["tuning"]}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare what is found with what is best.")
    parser.add_argument("--sink", help="a real Elasticsearch's URL, instead of the shaped one")
    parser.add_argument("--fixed-ms", default="300")
    parser.add_argument("--ms-per-mib", default="200")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--queue", default="20")
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    golumber_peer.build()
    temper = ["--fixed-ms", given.fixed_ms, "--ms-per-mib", given.ms_per_mib]
    temper += ["--workers", given.workers, "--queue", given.queue]
    with tempfile.TemporaryDirectory(prefix="ptingest-tuning-") as place:
        root = Path(place)
        corpus.write_ndjson(root / "events.ndjson", 8192, 1)

        def measure(
            name: str, sink: dict[str, object], *, settle: float, measure: float
        ) -> tuple[float, dict[str, object]]:
            folder, file = root / name.replace(" ", "_"), root / "events.ndjson"
            if given.sink:
                return run(folder, file, given.sink, sink, settle=settle, measure=measure)
            with shaped(temper) as port:
                hosts = f"http://127.0.0.1:{port}"
                return run(folder, file, hosts, sink, settle=settle, measure=measure)

        record = compare(measure)
    shape = {"sink": given.sink or "shaped", "temper": temper}
    append_history("tuning", {**machine(), **shape, **record})


if __name__ == "__main__":
    main()

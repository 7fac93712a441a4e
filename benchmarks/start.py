"""How soon it is useful: process start to listening, memory at rest, quick commands.

python -m benchmarks.start [--json]
"""

from __future__ import annotations

import argparse
import compileall
import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import corpus, processes
from benchmarks.measure import Runs, append_history, machine

MIB = 1 << 20


def listening_seconds(config: Path, port: int) -> tuple[float, float]:
    """Seconds from process start to the first connection, and MiB three seconds later."""
    start = time.perf_counter()
    with processes.server(port=port, config=config) as server:
        seconds = time.perf_counter() - start
        time.sleep(3)  # the sink was asked by now, and what that imports is there
        return seconds, processes.memory(server.pid).now / MIB


def command_seconds(words: list[str], text: str = "") -> float:
    """Seconds a command takes, from process start to its end."""
    start = time.perf_counter()
    subprocess.run(
        [*processes.SERVER, *words],
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        cwd=processes.ROOT,
        check=True,
        timeout=60,
    )
    return time.perf_counter() - start


def measure(*, runs: int = 5) -> dict[str, Runs]:
    """Seconds and MiB for both kinds of sink and for the quick commands."""
    # As pip does where it installs; a tree that was never run would be compiled each time.
    compileall.compile_dir(processes.ROOT / "ptingest", quiet=1)
    figures: dict[str, list[float]] = {}
    line = corpus.lines("django", 1, 1)[0].partition("\n")[0] + "\n"
    with (
        tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place,
        processes.null_elasticsearch() as null,
    ):
        hosts = {"elasticsearch": {"hosts": [f"http://127.0.0.1:{null.port}"]}}
        for name, sinks in (("store", {"store": {}}), ("elasticsearch", hosts)):
            folder, port = Path(place) / name, processes.free_port()
            folder.mkdir()
            config = processes.write_config(folder, port=port, sinks=sinks)
            for _ in range(runs):
                seconds, rest = listening_seconds(config, port)
                figures.setdefault(f"listening s, {name}", []).append(seconds)
                figures.setdefault(f"at rest MiB, {name}", []).append(rest)
        config_words = ["--config", str(config)]
        for _ in range(runs):
            figures.setdefault("check s", []).append(command_seconds(["check", *config_words]))
            figures.setdefault("try one line s", []).append(
                command_seconds(["try", *config_words, "--service", "django"], line)
            )
    return {name: Runs.of(values) for name, values in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how soon it is useful.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    figures = measure(runs=arguments.runs)
    record = {name: runs.as_json() for name, runs in figures.items()}
    append_history("start", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    for name, runs in figures.items():
        print(f"{name:28} {runs}")


if __name__ == "__main__":
    main()

"""What a ``logstash.conf`` costs an event, as a multiple of the floor.

    python -m benchmarks.logstash_config [--events N] [--json]

The description's config on the fast path, beside its profile in YAML, and forced through the
general engine; then five configs as users have them (``logstash_configs/``), and one whose first
condition is false. The floor is that of ``benchmarks.pipeline``, in the same run. Orientation:
Logstash's own core took 57 to 67 microseconds of CPU an event for the description's pipeline, on
a machine whose floor was 11.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import corpus, floor, instructions
from benchmarks.measure import Runs, append_history, cpu_microseconds, machine
from benchmarks.pipeline import CHUNK, NOW_NS, floor_documents
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.load import load_profile
from ptingest.settings.logstash import load_logstash

CONFIGS = Path(__file__).parent / "logstash_configs"
PT = Path(__file__).parents[1] / "config" / "logstash" / "pt.conf"
ENVIRONMENT = {"LOGSTASH_WRITER_PASSWORD": "x"}

LINES = {
    "nginx": '192.0.2.{n} - - [02/Jan/2025:03:04:05 +0000] "GET /parcels/{n}?page=2 HTTP/1.1" 200 '
    '5124 "https://example.com/start" "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"',
    "syslog": "<34>Jan  2 03:04:05 web-{n} sshd[42{n}]: Accepted publickey for root from "
    "192.0.2.7 port 51234 ssh2",
    "json_kv": '{{"time":"2025-01-02T03:04:05.678Z","level":"WARN","text":"parcel {n} is late",'
    '"context":"user=7 ms={n} path=/parcels/{n} state=late"}}',
    "else_if": "zeta {n}: parcel {n} is late",
    "csv": '2025-01-02T03:04:05Z,{n},"Smith, John",PL,12.50,paid',
    "first_fails": "INFO|apps.parcels.views|2025-01-02T03:04:05.678|Parcel {n} created",
}
"""One message for each config of ``logstash_configs``; ``{n}`` is the event's number."""


def payloads_for(name: str, events: int) -> list[bytes]:
    """Events as Filebeat sends them, with the messages of one config."""
    around = json.loads(corpus.events(1, 1)[0])
    found = []
    for number in range(events):
        around["message"] = LINES[name].format(n=number % 250)
        around["log"]["offset"] = number * 200
        found.append(json.dumps(around, separators=(",", ":")).encode())
    return found


def cost(pipeline: Pipeline, payloads: Sequence[bytes], runs: int) -> Runs:
    """CPU microseconds an event."""
    chunks = [payloads[at : at + CHUNK] for at in range(0, len(payloads), CHUNK)]

    def process() -> None:
        for chunk in chunks:
            receipt = Receipt(lambda _: None)
            done = pipeline.process(chunk, receipt=receipt, peer="127.0.0.1:1", now_ns=NOW_NS)
            if done.dead_letters:
                raise AssertionError(f"a dead letter: {done.dead_letters[0].detail}")

    process()
    return cpu_microseconds(process, len(payloads), runs=runs)


def measure(events: int, runs: int = 5) -> dict[str, Runs]:
    """Microseconds an event of every config, and of the floor."""
    made, label = corpus.events(events, 1), floor.labels()
    rules = load_logstash(PT, ENVIRONMENT)
    found = {"floor": cpu_microseconds(lambda: floor_documents(made, label), events, runs=runs)}
    profile = compile_profile(load_profile(packaged_profile_path(), {}))
    found["pt.yaml"] = cost(profile, made, runs)
    found["pt.conf"] = cost(compile_logstash(rules), made, runs)
    found["pt.conf, general"] = cost(compile_logstash(rules, is_general=True), made, runs)
    for name in LINES:
        pipeline = compile_logstash(load_logstash(CONFIGS / f"{name}.conf", {}))
        found[f"{name}.conf"] = cost(pipeline, payloads_for(name, events), runs)
    return found


def all_works(events: int, folder: Path) -> dict[str, Callable[[], object]]:  # noqa: ARG001
    """Every config and the floor, for counting instructions."""
    made, label = corpus.events(events, 1), floor.labels()
    rules = load_logstash(PT, ENVIRONMENT)

    def work(pipeline: Pipeline, payloads: Sequence[bytes]) -> Callable[[], object]:
        return lambda: pipeline.process(
            payloads, receipt=Receipt(lambda _: None), peer="127.0.0.1:1", now_ns=NOW_NS
        )

    works: dict[str, Callable[[], object]] = {"floor": lambda: floor_documents(made, label)}
    works["pt.conf"] = work(compile_logstash(rules), made)
    works["pt.conf, general"] = work(compile_logstash(rules, is_general=True), made)
    for name in LINES:
        pipeline = compile_logstash(load_logstash(CONFIGS / f"{name}.conf", {}))
        works[f"{name}.conf"] = work(pipeline, payloads_for(name, events))
    return works


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure logstash.confs.")
    parser.add_argument("--events", type=int, default=4 * floor.WINDOW)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--instructions", action="store_true", help="count instead of timing")
    arguments = parser.parse_args()
    if arguments.instructions:
        counted = instructions.count("benchmarks.logstash_config:all_works")
        for name, number in counted.items():
            print(f"{name:18} {number:10,.0f} {number / counted['floor']:5.2f}")
        return
    figures = measure(arguments.events)
    record = {"microseconds_an_event": {name: runs.as_json() for name, runs in figures.items()}}
    append_history("logstash_config", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    print("CPU microseconds an event; times the floor (best over best)")
    for name, figure in figures.items():
        print(f"{name:18} {figure!s:40} {figure.best / figures['floor'].best:5.2f}")


if __name__ == "__main__":
    main()

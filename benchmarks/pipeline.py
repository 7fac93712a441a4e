"""Payloads to documents: what `Pipeline.process` costs beside the floor.

The floor's figure here is its whole less inflating, cutting, joining and gzip, taken in
the same run: decode, match, key and encode of the same events.

    python -m benchmarks.pipeline [--json]
"""

from __future__ import annotations

import argparse
import json
import os

from benchmarks import corpus, floor
from benchmarks.measure import Runs, append_history, cpu_microseconds, machine
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile

CHUNK = 256
"""Payloads between two checkpoints, as the flow takes them."""
NOW_NS = 1_735_787_045_000_000_000


def floor_documents(payloads: list[bytes], label: floor.Labels) -> None:
    """The floor's loop over the same stops as the pipeline."""
    seen: dict[bytes, bytes] = {}
    for payload in payloads:
        fields, document, message = floor.document_of(payload, label)
        floor.key_of(fields, message, seen)
        floor.encode(document)


def measure(events: int = 10 * floor.WINDOW, *, seed: int = 1, runs: int = 7) -> dict[str, Runs]:
    """Microseconds an event of the packaged profile and of the floor."""
    pipeline = compile_profile(load_profile(packaged_profile_path(), os.environ))
    made, label = corpus.events(events, seed), floor.labels()
    chunks = [made[at : at + CHUNK] for at in range(0, events, CHUNK)]

    def process() -> int:
        documents = 0
        for chunk in chunks:
            receipt = Receipt(lambda _: None)
            processed = pipeline.process(chunk, receipt=receipt, peer="127.0.0.1:1", now_ns=NOW_NS)
            documents += len(processed.documents)
        return documents

    if process() != events:
        raise AssertionError("an event of the corpus did not become a document")
    return {
        "floor": cpu_microseconds(lambda: floor_documents(made, label), events, runs=runs),
        "pipeline": cpu_microseconds(process, events, runs=runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the pipeline.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure()
    record = {"microseconds_an_event": {name: runs.as_json() for name, runs in figures.items()}}
    append_history("pipeline", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    print("CPU microseconds an event")
    for name, figure in figures.items():
        print(f"{name:12} {figure}")
    times = figures["pipeline"].best / figures["floor"].best
    print(f"times the floor: {times:.2f} (best over best)")


if __name__ == "__main__":
    main()

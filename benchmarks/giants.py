"""One event of 60 MB: how much memory a server takes for it, and keeps.

The frame limit lets such an event in (`beats.limits.frame_bytes`), and a document holds its
message three times. A server of its own for each kind of text and each sink is sent the same
event twice and weighed: at rest, at its highest, and a second after the second ack.

    python -m benchmarks.giants [--bytes 60000000] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import corpus, processes
from benchmarks.end_to_end import MIB, far_end
from benchmarks.measure import append_history, machine
from benchmarks.replay import Window, replay

TEXTS = {
    "ASCII": "a line of a log that somebody wrote in one go\n",
    "one emoji a line": "a line of a log that somebody liked 😀\n",
}
SINKS = {"null Elasticsearch": "null", "store": "store"}
"""By the names that `end_to_end.far_end` knows."""


class Weighed(NamedTuple):
    """Resident memory in MiB."""

    text: str
    sink: str
    at_rest: float
    peak: float
    after: float


def window(text: str, size: int) -> Window:
    """One uncompressed window of one event of about ``size`` bytes."""
    lines = size // len(text.encode())
    event = {
        "@timestamp": "2026-01-01T00:00:00.000Z",
        "agent": {"id": "a"},
        "log": {"offset": 1, "file": {"path": "/x", "inode": "1"}},
        "group": "pt",
        "service": "django",
        "message": "INFO|django.request|2026-01-01 00:00:00,123|" + text * lines,
    }  # fmt: skip
    payload = json.dumps(event, ensure_ascii=False).encode()
    return Window(corpus.window([payload], 0), 1)


def weigh(text: str, sink: str, size: int) -> Weighed:
    """Start a server, send the giant twice, and end it."""
    giant = window(TEXTS[text], size)
    with (
        tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder,
        far_end(SINKS[sink]) as end,
    ):
        port = processes.free_port()
        config = processes.write_config(Path(folder), port=port, sinks=end.settings)
        with processes.server(port=port, config=config) as server:
            time.sleep(2.0)  # what is imported late is imported
            at_rest = processes.memory(server.pid).now
            # One at a time; two is also the least that a replay has a beginning and an end of.
            replay([port], [giant] * 2, look=lambda: None, warm_up=0, connections=1, on_wire=1)
            time.sleep(1.0)
            after = processes.memory(server.pid)
    return Weighed(text, sink, at_rest / MIB, after.peak / MIB, after.now / MIB)


def table(rows: list[Weighed]) -> str:
    """The rows for a reader."""
    lines = ["| text | sink | MiB at rest | peak | after |", "|" + "---|" * 5]
    lines += [
        f"| {row.text} | {row.sink} | {row.at_rest:.0f} | {row.peak:.0f} | {row.after:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory for one giant event.")
    parser.add_argument("--bytes", type=int, default=60_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [weigh(text, sink, given.bytes) for text in TEXTS for sink in SINKS]
    record: dict[str, object] = {"bytes": given.bytes, "mib": [row._asdict() for row in rows]}
    append_history("giants", dict(record))
    print(json.dumps({**machine(), **record}) if given.json else table(rows))


if __name__ == "__main__":
    main()

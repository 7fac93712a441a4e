"""Bytes to windows: what `lumberjack.connection` costs beside the floor's bare cut.

python -m benchmarks.frames [--json]
"""

from __future__ import annotations

import argparse
import json
from functools import partial

from benchmarks import corpus, floor
from benchmarks.measure import Runs, append_history, cpu_microseconds, machine
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits

READ_BYTES = 64 << 10
"""As much as a socket gives at once."""


def windows_of(wire: bytes) -> int:
    """Feed one connection as a socket would; returns the events that came out."""
    connection = ServerConnection(Limits())
    events = 0
    for at in range(0, len(wire), READ_BYTES):
        connection.receive_data(wire[at : at + READ_BYTES])
        while (window := connection.next_window()) is not None:
            events += len(window.payloads)
    return events


def bare_cut(wires: list[bytes]) -> None:
    """The floor's way: no limits, no state, one window at a time."""
    for wire in wires:
        list(floor.payloads_of(wire))


def measure(events: int = 10 * floor.WINDOW, *, seed: int = 1, runs: int = 7) -> dict[str, Runs]:
    """Microseconds an event, compressed and not, beside inflating and cutting alone."""
    made = corpus.events(events, seed)
    cuts = [made[at : at + floor.WINDOW] for at in range(0, events, floor.WINDOW)]
    figures = {}
    for compression in (3, 0):
        wires = [corpus.window(cut, compression) for cut in cuts]
        wire = b"".join(wires)
        if windows_of(wire) != events:
            raise AssertionError("the connection gave out another number of events")
        figures[f"bare cut, compression {compression}"] = cpu_microseconds(
            partial(bare_cut, wires),
            events,
            runs=runs,
        )
        figures[f"connection, compression {compression}"] = cpu_microseconds(
            partial(windows_of, wire),
            events,
            runs=runs,
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cutting of frames.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure()
    record = {"microseconds_an_event": {name: runs.as_json() for name, runs in figures.items()}}
    append_history("frames", dict(record))
    if arguments.json:
        print(json.dumps({**machine(), **record}))
        return
    print("CPU microseconds an event")
    for name, figure in figures.items():
        print(f"{name:28} {figure}")


if __name__ == "__main__":
    main()

"""What `tap` and `why` cost the run: flow, pipeline and lane in this process, a sink that
takes everything at once.

    python -m benchmarks.looking_on            instructions an event, each way; then memory
    python -m benchmarks.looking_on --time     processor time instead, best of several in turn
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import corpus, instructions
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.origin import Origin
from ptingest.model.outcome import WriteResult
from ptingest.model.receipt import Receipt
from ptingest.model.watching import TapRequest
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.server.assembly import build
from ptingest.server.process.clock import SystemClock
from ptingest.server.status import process_row
from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import LaneSettings

ALL_OFF, WHY, WHY_SMALL = 0, 16 << 20, 1 << 20
WINDOW = 1024
NARROW = "service:flower and log_level:CRITICAL"
ROUNDS = 9
EVENTS = 4_000


class Taker:
    """Stores everything, nowhere."""

    name = "taker"

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        del documents, doubtful
        return WriteResult()

    async def check(self) -> Sequence[Finding]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""


class InProcessRun:
    """A worker's parts on a loop of their own."""

    def __init__(
        self, folder: Path, *, why: int = ALL_OFF, query: str | None = None, is_free: bool = False
    ) -> None:
        """``is_free``: a tap looks at every event, whatever the time that takes."""
        settings = ServerSettings.model_validate(
            {"data_dir": str(folder), "why": {"max_bytes": why}}
        )
        profile = load_profile(packaged_profile_path(), os.environ)
        lane = LaneSettings.model_validate({"concurrency": 4})
        self.parts = build(settings, profile, clock=SystemClock(), replaced=[(Taker(), lane)])
        self._loop = asyncio.new_event_loop()
        self._lanes = [self._loop.create_task(lane.run()) for lane in self.parts.lanes]
        if query is not None:
            taps = self.parts.observer.taps
            if is_free:
                taps._spent, taps._credit_at = lambda: 0.0, 0.0
            tap: Any = self._loop.run_until_complete(taps.begin(TapRequest(query)))
            tap.cost = 1e-6
            self._reading = self._loop.create_task(self._read(tap))

    async def _read(self, tap: Any) -> None:
        while await tap.read():
            pass

    def carry(self, payloads: Sequence[bytes]) -> None:
        """Take all payloads from admit to their ack."""
        self._loop.run_until_complete(self._carry(payloads))

    async def _carry(self, payloads: Sequence[bytes]) -> None:
        origin = Origin("192.0.2.7:51234")
        for at in range(0, len(payloads), WINDOW):
            is_safe = asyncio.Event()
            receipt = Receipt(lambda _, told=is_safe: told.set())  # type: ignore[misc]
            await self.parts.flow.admit(payloads[at : at + WINDOW], receipt, origin)
            receipt.seal()
            await is_safe.wait()


def ways(folder: Path) -> dict[str, Callable[[], InProcessRun]]:
    """Each way of looking on, by name."""
    return {
        "neither": lambda: InProcessRun(folder),
        "why, ring full": lambda: InProcessRun(folder, why=WHY_SMALL),
        "tap, narrow query": lambda: InProcessRun(folder, query=NARROW),
        "tap, *": lambda: InProcessRun(folder, query="*"),
        "tap, narrow query, every event": lambda: InProcessRun(folder, query=NARROW, is_free=True),
        "tap, *, every event": lambda: InProcessRun(folder, query="*", is_free=True),
    }


def works(events: int, folder: Path) -> dict[str, Callable[[], object]]:
    """For `benchmarks.instructions`."""
    payloads = corpus.events(events, 1)
    roads = {name: make() for name, make in ways(folder).items()}

    def carrying(run: InProcessRun) -> Callable[[], object]:
        return lambda: run.carry(payloads)

    return {name: carrying(run) for name, run in roads.items()}


def time_all() -> None:
    """Processor time of each way against the first, best of several rounds in turn."""
    payloads = corpus.events(EVENTS, 1)
    with tempfile.TemporaryDirectory() as folder:
        roads = {name: make() for name, make in ways(Path(folder)).items()}
        best = dict.fromkeys(roads, float("inf"))
        for _ in range(ROUNDS):
            for name, run in roads.items():
                began = time.process_time()
                run.carry(payloads)
                best[name] = min(best[name], time.process_time() - began)
    for name, seconds in best.items():
        ratio = seconds / best["neither"]
        print(f"{name:32} {1e6 * seconds / EVENTS:7.2f} us an event  {ratio:.3f}")


def count_all() -> None:
    """Instructions of each way against the first."""
    counted = instructions.count("benchmarks.looking_on:works")
    for name, count in counted.items():
        print(f"{name:32} {count:10,.0f} instructions an event  {count / counted['neither']:.4f}")


def memory_of(why: int) -> None:
    """Resident memory after many events, for `show_memory`."""
    with tempfile.TemporaryDirectory() as folder:
        run = InProcessRun(Path(folder), why=why)
        for seed in range(10):
            run.carry(corpus.events(EVENTS, seed))
        print(process_row()["memory_bytes"], run.parts.observer.trace_buffer.status())


def show_memory() -> None:
    """Resident memory with the ring off, and full."""
    for why in (ALL_OFF, WHY):
        words = [sys.executable, "-m", "benchmarks.looking_on", "--memory-of", str(why)]
        print(
            f"why.max_bytes {why}:", subprocess.run(words, capture_output=True, check=True).stdout
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What tap and why cost the run.")
    parser.add_argument("--time", action="store_true", help="processor time, not instructions")
    parser.add_argument("--memory-of", type=int)
    given = parser.parse_args()
    if given.memory_of is not None:
        memory_of(given.memory_of)
    elif given.time:
        time_all()
    else:
        count_all()
        show_memory()


if __name__ == "__main__":
    main()

"""How everything here is measured: processor time, several runs, best and spread.

Wall clocks on a busy machine measure the neighbours. Processor time of our own process
hardly moves, and the best of several runs moves least; the spread is kept beside it, so
that a reader sees how much a figure may be trusted.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

HISTORY = Path(__file__).parent / "history.jsonl"


class Runs(NamedTuple):
    """The same figure from several runs; lower is better."""

    best: float
    median: float
    worst: float
    runs: int

    @classmethod
    def of(cls, figures: list[float]) -> Runs:
        return cls(min(figures), statistics.median(figures), max(figures), len(figures))

    @property
    def spread_percent(self) -> float:
        """How far the worst lies above the best, in percent of the best."""
        return 100 * (self.worst / self.best - 1) if self.best else 0.0

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in self._asdict().items()}

    def __str__(self) -> str:
        return f"{self.median:.2f} (best {self.best:.2f}, spread {self.spread_percent:.0f} %)"


def cpu_microseconds(work: Callable[[], object], events: int, *, runs: int = 7) -> Runs:
    """Processor microseconds an event that ``work``, which handles ``events``, takes."""
    figures = []
    for _ in range(runs):
        start = time.process_time()
        work()
        figures.append((time.process_time() - start) * 1e6 / events)
    return Runs.of(figures)


def machine() -> dict[str, object]:
    """What the figures were taken on; no name of the host."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load_average": round(load, 2),
    }


def append_history(name: str, figures: dict[str, object]) -> None:
    """One line a run, so that later runs have something to be compared with."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "benchmark": name}
    with HISTORY.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, **machine(), **figures}, ensure_ascii=False) + "\n")


def last_in_history(name: str) -> dict[str, object] | None:
    """The last recorded run of this benchmark, or None on a first run."""
    if not HISTORY.exists():
        return None
    for line in reversed(HISTORY.read_text(encoding="utf-8").splitlines()):
        entry: dict[str, object] = json.loads(line)
        if entry["benchmark"] == name:
            return entry
    return None

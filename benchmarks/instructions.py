"""Instructions an event, which no busy neighbour changes: callgrind, else `perf stat`.

`count` takes the name of a function that gives pieces of work by name; a process of its
own does each of them once to warm up and once to be counted. Under callgrind each piece
is cut out by two dumps, and what the dumping costs is taken off; a counter of `perf stat`
has no such knife, so there every piece has two processes, one of which does it more often.

What is alive beside a piece is hidden from the garbage collector while it is counted: one
full round goes through everything that the benchmark holds, and would fall to whichever
piece happens to be at work.

Where neither works, nothing is counted, and that is said.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.processes import ROOT

EVENTS = 1024
"""Under callgrind everything takes about fifty times as long."""
OFTEN = 11
"""How often the second process of `perf stat` does its work; the first does it once."""
SECONDS = 900
_SUMMARY = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)

Works = Callable[[int, Path], dict[str, Callable[[], object]]]


def count(works: str, *, events: int = EVENTS) -> dict[str, float]:
    """Instructions an event of each piece of ``module:function``; empty where nothing counts."""
    if is_callgrind_here():
        return _by_callgrind(works, events)
    if _perf_counts():
        return _by_perf(works, events)
    print("instructions: neither valgrind nor a counter of `perf stat` is here", file=sys.stderr)
    return {}


def _words(works: str, events: int, folder: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.instructions", works, str(events), folder, *more]


def _environment() -> dict[str, str]:
    # Hashes of texts decide how often dicts collide: the same each time.
    return {**os.environ, "PYTHONHASHSEED": "0"}


# --- callgrind --------------------------------------------------------------------------


def _by_callgrind(works: str, events: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        out = Path(folder) / "out"
        done = subprocess.run(
            under_callgrind(out, _words(works, events, folder, "--dump")),
            cwd=ROOT,
            env=_environment(),
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-2000:])
        names = done.stdout.decode().split("\n")[:-1]
        # Each name said was one dump before its work, and one after.
        costs = [summary(out.with_name(f"out.{2 * at + 2}")) for at in range(len(names))]
    nothing = costs[names.index("nothing")]
    return {
        name: max(0, cost - nothing) / events
        for name, cost in zip(names, costs, strict=True)
        if name != "nothing"
    }


def summary(path: Path) -> int:
    """Instructions in one of callgrind's dumps."""
    found = _SUMMARY.search(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise RuntimeError(f"{path.name} is no dump of callgrind")
    return int(found[1])


def is_callgrind_here() -> bool:
    """Whether costs can be cut out of a running process."""
    return bool(shutil.which("valgrind") and shutil.which("callgrind_control"))


def under_callgrind(out: Path, words: Sequence[str], *, children: bool = False) -> list[str]:
    """The command line that runs another one under callgrind; dumps go to ``out.1``, ``out.2``.

    With ``children`` what it starts is counted as well, each process for itself; ``%p`` in
    ``out`` is its number.
    """
    knife = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    return [*knife, *["--trace-children=yes"] * children, *words]


def switch(pid: int, *, on: bool) -> None:
    """Begin or end counting; a process that is not counted is ten times as fast."""
    _order(pid, f"--instr={'on' if on else 'off'}")


def dump(pid: int) -> None:
    """Have the costs of a process since its last dump written to a file of their own."""
    _order(pid, "--dump")


def _order(pid: int, order: str) -> None:
    words = ["callgrind_control", order, str(pid)]
    asking = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # Valgrind hears the request only while this process runs, so it does not block.
    while asking.poll() is None:
        time.sleep(0.05)
    if asking.returncode:
        raise RuntimeError(f"callgrind_control ended with {asking.returncode}")


# --- perf stat --------------------------------------------------------------------------


def perf_instructions(told: str) -> int | None:
    """Instructions from the CSV of `perf stat -x,`, None where the counter is missing."""
    for line in told.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("instructions") and fields[0].isdigit():
            return int(fields[0])
    return None


def _perf(words: list[str]) -> int | None:
    knife = ["perf", "stat", "-x,", "-e", "instructions:u"]
    done = subprocess.run(
        [*knife, *words],
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=SECONDS,
    )
    return perf_instructions(done.stderr.decode())


def _perf_counts() -> bool:
    return shutil.which("perf") is not None and _perf(["true"]) is not None


def _by_perf(works: str, events: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        listing = subprocess.run(
            _words(works, events, folder), cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        counted = {}
        for name in listing.stdout.decode().split("\n")[:-1]:
            once = _perf(_words(works, events, folder, "--only", name, "--times", "1"))
            often = _perf(_words(works, events, folder, "--only", name, "--times", str(OFTEN)))
            if once is not None and often is not None:
                counted[name] = (often - once) / (OFTEN - 1) / events
    return counted


# --- the process that is counted --------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description="Do pieces of work, to be counted.")
    parser.add_argument("works", help="module:function")
    parser.add_argument("events", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dump", action="store_true", help="under callgrind: a dump around each")
    parser.add_argument("--only")
    parser.add_argument("--times", type=int, default=0)
    given = parser.parse_args()
    module, _, function = given.works.partition(":")
    make: Works = getattr(importlib.import_module(module), function)
    works = make(given.events, given.folder)
    if given.dump:
        works["nothing"] = lambda: None
    for name, work in works.items():
        if given.dump:
            work()
            _hide_the_living()
            switch(os.getpid(), on=True)
            dump(os.getpid())
            work()
            dump(os.getpid())
            switch(os.getpid(), on=False)
        if given.only in (None, name):
            _hide_the_living()
            for _ in range(given.times):
                work()
        print(name)


def _hide_the_living() -> None:
    """Begin with empty generations, so that rounds go through what the piece makes alone."""
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()

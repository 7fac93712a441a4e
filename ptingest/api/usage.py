"""What processes have used and hold, as the kernel counts it."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Of one process, or of several together."""

    cpu_seconds: float = 0.0
    """Never goes down: what ended children have used is counted for their parent."""
    memory_bytes: int = 0
    """Resident; pages that a family shares count for each member."""
    virtual_bytes: int = 0
    open_files: int = 0
    threads: int = 0


def usage_of(pids: Iterable[int]) -> Usage:
    """Add up what these processes use, with their ended children; a process that has ended is
    left out."""
    found: list[Usage] = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found.append(_usage(Path("/proc", str(pid))))
    return Usage(
        cpu_seconds=sum(one.cpu_seconds for one in found),
        memory_bytes=sum(one.memory_bytes for one in found),
        virtual_bytes=sum(one.virtual_bytes for one in found),
        open_files=sum(one.open_files for one in found),
        threads=sum(one.threads for one in found),
    )


def own_usage() -> Usage:
    """What this process uses."""
    return usage_of([os.getpid()])


def _usage(process: Path) -> Usage:
    fields = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    words = fields.split()
    pages = (process / "statm").read_text(encoding="ascii").split()
    return Usage(
        cpu_seconds=sum(map(int, words[11:15])) / TICKS,
        memory_bytes=int(pages[1]) * resource.getpagesize(),
        virtual_bytes=int(pages[0]) * resource.getpagesize(),
        open_files=sum(1 for _ in (process / "fd").iterdir()),
        threads=int(words[17]),
    )

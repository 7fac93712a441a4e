"""Reaps orphans as process 1, which the server is in a container.

The event loop reaps processes that we started ourselves at once, so a zombie that is still
there at the next look is an orphan.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

LOOK_SECONDS = 5.0


async def reap_orphans(*, every: float = LOOK_SECONDS) -> None:
    """Reap orphans that have ended, until cancelled."""
    seen: set[int] = set()
    while True:
        await asyncio.sleep(every)
        dead = dead_children(os.getpid())
        for pid in dead & seen:
            wait_for(pid)
        seen = dead


def wait_for(pid: int) -> None:
    """Reap one child that has ended, without blocking."""
    with contextlib.suppress(ChildProcessError):  # the event loop has reaped it
        os.waitpid(pid, os.WNOHANG)


def dead_children(parent: int, proc: Path = Path("/proc")) -> set[int]:
    """Return the pids of zombie children; an empty set where there is no /proc."""
    found = set()
    for entry in proc.glob("[0-9]*/stat"):
        try:
            text = entry.read_bytes()
        except OSError:  # gone meanwhile
            continue
        # The process name before them may contain any character, also ")".
        state, ppid = text.rpartition(b")")[2].split()[:2]
        if state == b"Z" and int(ppid) == parent:
            found.add(int(entry.parent.name))
    return found

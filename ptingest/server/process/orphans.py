"""What process 1 owes: whoever loses its parent becomes its child, and is to be waited for.

In a container that is us. Processes we started ourselves are waited for by the event loop, at
once; so a dead child that is still there at the next look is an orphan.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

LOOK_SECONDS = 5.0


async def reap_orphans(*, every: float = LOOK_SECONDS) -> None:
    """Wait for dead orphans, until cancelled."""
    seen: set[int] = set()
    while True:
        await asyncio.sleep(every)
        dead = dead_children(os.getpid())
        for pid in dead & seen:
            wait_for(pid)
        seen = dead


def wait_for(pid: int) -> None:
    """Take a dead child's end, without waiting."""
    with contextlib.suppress(ChildProcessError):  # the loop was there first
        os.waitpid(pid, os.WNOHANG)


def dead_children(parent: int, proc: Path = Path("/proc")) -> set[int]:
    """Return the children that ended and were not waited for; none where there is no /proc."""
    found = set()
    for entry in proc.glob("[0-9]*/stat"):
        try:
            text = entry.read_bytes()
        except OSError:  # gone meanwhile
            continue
        # The name before them may hold anything, a ")" included.
        state, ppid = text.rpartition(b")")[2].split()[:2]
        if state == b"Z" and int(ppid) == parent:
            found.add(int(entry.parent.name))
    return found

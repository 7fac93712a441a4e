"""How many workers there are, and what each gets of what is there once.

What the supervisor can count itself (connections, and those from one address) it keeps;
bytes in memory are divided; files with one writer are one for each worker.
"""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePath
from typing import NamedTuple

from pydantic import ByteSize

from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import NdjsonSettings

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Share(NamedTuple):
    """Which of how many workers one is; numbers count from 1."""

    number: int = 1
    workers: int = 1

    @property
    def keeps_house(self) -> bool:
        """Whether this one does what only one may do: text index and retention of the store."""
        return self.number == 1

    @property
    def has_chores(self) -> bool:
        """Whether that must be done for others, too."""
        return self.keeps_house and self.workers > 1


ALONE = Share()


def worker_count(settings: ServerSettings, *, quota: Path = CGROUP_QUOTA) -> int:
    """Return how many workers ``workers`` means on this machine, at least 1."""
    return settings.workers or cores(quota=quota)


def cores(*, quota: Path = CGROUP_QUOTA) -> int:
    """Return how many cores this process may use: its affinity, or a container's limit."""
    allowed = len(os.sched_getaffinity(0))
    try:
        most, _, period = quota.read_text(encoding="ascii").strip().partition(" ")
        if most.isdigit() and period.isdigit():
            allowed = min(allowed, math.ceil(int(most) / int(period)))
    except OSError:  # no cgroup v2 here
        pass
    return max(1, allowed)


def share_of(settings: ServerSettings, share: Share) -> ServerSettings:
    """Return the settings that one worker runs with; alone it gets everything."""
    if share.workers == 1:
        return settings
    limits = settings.beats.limits
    total = max(1, limits.total_bytes // share.workers)
    part = limits.model_copy(
        update={
            "total_bytes": ByteSize(total),
            # One Beat alone must not fill the pot of its worker.
            "connection_bytes": min(limits.connection_bytes, ByteSize(max(1, total // 2))),
        }
    )
    sinks = settings.sinks
    if sinks.ndjson is not None:
        sinks = sinks.model_copy(update={"ndjson": _ndjson_of(sinks.ndjson, share)})
    return settings.model_copy(
        update={
            "beats": settings.beats.model_copy(update={"limits": part}),
            # The HTTP port is the supervisor's.
            "api": settings.api.model_copy(update={"tls": None, "token": None}),
            "sinks": sinks,
            "why": settings.why.model_copy(
                update={"max_bytes": ByteSize(settings.why.max_bytes // share.workers)}
            ),
        }
    )


def _ndjson_of(ndjson: NdjsonSettings, share: Share) -> NdjsonSettings:
    """One file has one writer: ``documents.ndjson`` becomes ``documents.worker-2.ndjson``."""
    path = PurePath(ndjson.path)
    name = f"{path.stem}.worker-{share.number}{path.suffix}"
    return ndjson.model_copy(update={"path": str(path.with_name(name))})

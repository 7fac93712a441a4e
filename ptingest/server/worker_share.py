"""The number of workers, and the share of the limits that each one gets.

The supervisor enforces limits that it can count itself (connections, and those from one
address); memory limits are divided; a file with a single writer exists once for each worker.
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
    """The number of a worker, from 1, and how many there are."""

    number: int = 1
    workers: int = 1

    @property
    def does_maintenance(self) -> bool:
        """Whether this one does the maintenance of the store: text index and retention."""
        return self.number == 1

    @property
    def maintains_for_others(self) -> bool:
        """Whether it does so for other workers, too."""
        return self.does_maintenance and self.workers > 1


ALONE = Share()


def worker_count(settings: ServerSettings, *, quota: Path = CGROUP_QUOTA) -> int:
    """Return the number of workers that the setting ``workers`` means here, at least 1."""
    return settings.workers or cores(quota=quota)


def cores(*, quota: Path = CGROUP_QUOTA) -> int:
    """Return how many cores this process may use, by affinity and container limit."""
    allowed = len(os.sched_getaffinity(0))
    try:
        most, _, period = quota.read_text(encoding="ascii").strip().partition(" ")
        if most.isdigit() and period.isdigit():
            allowed = min(allowed, math.ceil(int(most) / int(period)))
    except OSError:  # no cgroup v2 here
        pass
    return max(1, allowed)


def share_of(settings: ServerSettings, share: Share) -> ServerSettings:
    """Return the settings of one worker; a single one gets them unchanged."""
    if share.workers == 1:
        return settings
    limits = settings.beats.limits
    total = max(1, limits.total_bytes // share.workers)
    part = limits.model_copy(
        update={
            "total_bytes": ByteSize(total),
            # A single Beat must not use up the budget of its worker.
            "connection_bytes": min(limits.connection_bytes, ByteSize(max(1, total // 2))),
        }
    )
    sinks = settings.sinks
    if sinks.ndjson is not None:
        sinks = sinks.model_copy(update={"ndjson": _ndjson_of(sinks.ndjson, share)})
    return settings.model_copy(
        update={
            "beats": settings.beats.model_copy(update={"limits": part}),
            # The supervisor owns the HTTP port.
            "api": settings.api.model_copy(update={"tls": None, "token": None}),
            "sinks": sinks,
            "why": settings.why.model_copy(
                update={"max_bytes": ByteSize(settings.why.max_bytes // share.workers)}
            ),
        }
    )


def _ndjson_of(ndjson: NdjsonSettings, share: Share) -> NdjsonSettings:
    """A file has a single writer: ``documents.ndjson`` becomes ``documents.worker-2.ndjson``."""
    path = PurePath(ndjson.path)
    name = f"{path.stem}.worker-{share.number}{path.suffix}"
    return ndjson.model_copy(update={"path": str(path.with_name(name))})

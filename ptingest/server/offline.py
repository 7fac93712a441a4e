"""The parts of a server without its ports, for jobs that read and write while none runs.

The caller holds the lock of ``data_dir``, so no server starts meanwhile. Assembly builds the
parts as for a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ptingest.errors import PtingestError
from ptingest.model.contracts import Clock
from ptingest.server.assembly import Parts, build
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings

Result = TypeVar("Result")
LAST_ANSWERS_SECONDS = 2.0
"""Wait at the end for writes in flight; what has no answer then is not settled."""


@asynccontextmanager
async def running_offline(
    settings: ServerSettings, profile: Profile, *, clock: Clock
) -> AsyncIterator[Parts]:
    """Lanes at work, until the block ends.

    Raises:
        DeadLettersUnwritable: their folder cannot be read or written; nothing was begun.
    """
    parts = build(_without_ports(settings), profile, clock=clock)
    try:
        await parts.dead_letters.open()
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(lane.run()) for lane in parts.lanes]
            yield parts
            deadline = clock.monotonic() + LAST_ANSWERS_SECONDS
            for lane in parts.lanes:
                await lane.drain(deadline)
                await lane.close()
            for task in lanes:
                task.cancel()
    finally:
        await parts.jobs.stop("interrupted")
        await parts.processing.large.close()
        await parts.dead_letters.close()
        for sink in parts.sinks:
            await sink.close()


def run_offline(job: Coroutine[Any, Any, Result]) -> Result:
    """Run a job with ``running_offline`` to its end, in an event loop of its own.

    Raises:
        PtingestError: the one of ours that ended it, without the group of its tasks.
    """
    try:
        return asyncio.run(job)
    except BaseExceptionGroup as group:
        ours, others = group.split(PtingestError)
        if others is not None or ours is None:
            raise
        raise ours.exceptions[0] from None


def _without_ports(settings: ServerSettings) -> ServerSettings:
    """No port is opened, so no certificate needs to be readable; and nothing comes from Kafka."""
    return settings.model_copy(
        update={
            "beats": settings.beats.model_copy(update={"tls": None}),
            "api": settings.api.model_copy(update={"tls": None}),
            "role": "both",
            "kafka": None,
            "buffer": None,
        }
    )

"""Orders for the dead letters where no server runs: the same parts, without its ports.

The caller holds ``data_dir``'s lock, so that no server begins meanwhile. Everything is built
by assembly as for a server and runs on until the order is carried out or its time is over.
``preview`` shows what would become of letters and touches nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ptingest.model.contracts import Clock
from ptingest.model.letters import Choice, Order
from ptingest.model.receipt import Receipt
from ptingest.pipeline.pipeline import Pipeline
from ptingest.server.assembly import build
from ptingest.server.requeue import chosen_letters
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings

LAST_ANSWERS_SECONDS = 2.0
"""After the order: for writes in flight, whose letters stay if no answer comes."""


async def carry_out(
    settings: ServerSettings, profile: ProfileSettings, order: Order, *, clock: Clock
) -> dict[str, object]:
    """Carry one order out and return its progress at the end.

    Raises:
        DeadLettersUnwritable: the folder cannot be read or changed; nothing was begun.
    """
    parts = build(_without_ports(settings), profile, clock=clock)
    try:
        await parts.dead_letters.open()
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(lane.run()) for lane in parts.lanes]
            parts.errands.begin(order)
            await parts.errands.finish()
            deadline = clock.monotonic() + LAST_ANSWERS_SECONDS
            for lane in parts.lanes:
                await lane.drain(deadline)
                await lane.close()
            for task in lanes:
                task.cancel()
    finally:
        await parts.errands.stop("interrupted")
        await parts.processing.large.close()
        await parts.dead_letters.close()
        for sink in parts.sinks:
            await sink.close()
    return parts.errands.progress()


def _without_ports(settings: ServerSettings) -> ServerSettings:
    """Nobody is let in, so no certificate needs to be readable."""
    return settings.model_copy(
        update={
            "beats": settings.beats.model_copy(update={"tls": None}),
            "api": settings.api.model_copy(update={"tls": None}),
        }
    )


class Prospect(NamedTuple):
    """What would become of letters that are alike."""

    reason: str
    data_stream: str | None
    becomes: str


def preview(
    directory: Path, choice: Choice, pipeline: Pipeline | None, *, now_ns: int
) -> Counter[Prospect]:
    """Count what the letters meant would become; without a pipeline they would be purged.

    What a sink says to them cannot be known before it is asked.
    """
    prospects: Counter[Prospect] = Counter()
    for filed in chosen_letters(directory, choice):
        letter = filed.stored.letter
        becomes = "purged" if pipeline is None else _becomes(pipeline, letter.payload, now_ns)
        prospects[Prospect(letter.reason, letter.data_stream, becomes)] += 1
    return prospects


def _becomes(pipeline: Pipeline, payload: bytes, now_ns: int) -> str:
    receipt = Receipt(lambda _: None)
    processed = pipeline.process([payload], receipt=receipt, peer="-", now_ns=now_ns)
    for document in processed.documents:
        return f"written to {document.data_stream.name}"
    for letter in processed.dead_letters:
        return f"a dead letter again ({letter.reason})"
    return f"dropped ({next(iter(processed.dropped))[1]})"

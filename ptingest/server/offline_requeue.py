"""Jobs for the dead letters while no server runs: the parts of a server, without its ports.

The parts (``server/offline``) run until the job is done or its time is over. ``preview`` counts
what letters would become, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ptingest.model.contracts import Clock
from ptingest.model.letters import LetterFilter, Order
from ptingest.model.receipt import Receipt
from ptingest.pipeline.pipeline import Pipeline
from ptingest.server.offline import running_offline
from ptingest.server.requeue_sources import chosen_letters
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings


async def carry_out(
    settings: ServerSettings, profile: Profile, order: Order, *, clock: Clock
) -> dict[str, object]:
    """Run one job and return its progress at the end.

    Raises:
        DeadLettersUnwritable: the folder cannot be read or written; nothing was begun.
    """
    async with running_offline(settings, profile, clock=clock) as parts:
        parts.jobs.begin(order)
        await parts.jobs.finish()
    return parts.jobs.progress()


class Prospect(NamedTuple):
    """The expected fate of letters that are alike."""

    reason: str
    data_stream: str | None
    becomes: str


def preview(
    directory: Path, choice: LetterFilter, pipeline: Pipeline | None, *, now_ns: int
) -> Counter[Prospect]:
    """Count what the chosen letters would become; without a pipeline they would be purged.

    Whether a sink would refuse them is not known before it is asked.
    """
    prospects: Counter[Prospect] = Counter()
    for filed in chosen_letters(directory, choice):
        letter = filed.stored.letter
        fate = "purged" if pipeline is None else becomes(pipeline, letter.payload, now_ns)
        prospects[Prospect(letter.reason, letter.data_stream, fate)] += 1
    return prospects


def becomes(pipeline: Pipeline, payload: bytes, now_ns: int) -> str:
    """Return what today's rules make of one event, for people."""
    receipt = Receipt(lambda _: None)
    processed = pipeline.process([payload], receipt=receipt, peer="-", now_ns=now_ns)
    for document in processed.documents:
        return f"written to {document.target.name}"
    for letter in processed.dead_letters:
        return f"a dead letter again ({letter.reason})"
    return f"dropped ({next(iter(processed.dropped))[1]})"

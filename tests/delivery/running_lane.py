"""A running lane with everything around it, for scenarios in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ByteSize

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.lane import Lane
from ptingest.model.document import Document
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.sinks import BatchSettings, LaneSettings, RetrySettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import LoopClock
from tests.fakes.sink import ScriptedSink, Window


@dataclass
class RunningLane:
    """A running lane with everything around it."""

    sink: ScriptedSink
    lane: Lane
    budget: DocumentBudget
    letters: DeadLetters
    metrics: Metrics
    clock: LoopClock
    windows: list[Window] = field(default_factory=list)

    def window(self) -> Window:
        self.windows.append(Window())
        return self.windows[-1]

    def lane_like(self, sink: ScriptedSink) -> Lane:
        """Make another lane over the same budget and dead letters."""
        return Lane(
            sink=sink,
            settings=LaneSettings(),
            budget=self.budget,
            dead_letters=self.letters,
            metrics=self.metrics,
            clock=self.clock,
            random=random.Random(7),
        )

    async def put(self, documents: list[Document]) -> None:
        self.budget.charge(sum(document.cost for document in documents))
        await self.lane.put(documents)

    async def send(self, count: int, **kind: Any) -> Window:
        """Put one sealed window of ``count`` documents and say that nothing more comes."""
        window = self.window()
        await self.put(window.documents(count, **kind))
        window.receipt.seal()
        self.lane.hint_idle()
        return window


@asynccontextmanager
async def running_lane(
    sink: ScriptedSink,
    directory: Path,
    *,
    settings: LaneSettings | None = None,
    budget_bytes: int = 1 << 30,
    max_bytes: int = 1 << 30,
) -> AsyncIterator[RunningLane]:
    clock, metrics, budget = LoopClock(), Metrics(), DocumentBudget(budget_bytes)
    letters = DeadLetters(
        directory, DeadLettersSettings(max_bytes=ByteSize(max_bytes)), clock, metrics
    )
    lane = Lane(
        sink=sink,
        settings=settings or LaneSettings(),
        budget=budget,
        dead_letters=letters,
        metrics=metrics,
        clock=clock,
        random=random.Random(7),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(lane.run())
        yield RunningLane(sink, lane, budget, letters, metrics, clock)
        await lane.close()
        await letters.close()
    assert budget.outstanding == 0


def lane_settings(
    *, documents: int = 100, size: int = 1 << 20, concurrency: int = 4, patience: float = 300.0
) -> LaneSettings:
    return LaneSettings(
        batch=BatchSettings(max_documents=documents, max_bytes=ByteSize(size), max_age_seconds=0.1),
        retry=RetrySettings(initial_seconds=0.25, max_seconds=10, patience_seconds=patience),
        concurrency=concurrency,
    )

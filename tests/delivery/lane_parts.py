"""The parts of a lane, put together without the lane: nothing runs, time is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.attempts import Attempts
from ptingest.delivery.batch import Batch
from ptingest.delivery.books import Books
from ptingest.delivery.dead_lettering import DeadLettering
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.delivery.intake import Intake
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.isolation import Isolation
from ptingest.delivery.rate.limiter import limiter_of
from ptingest.delivery.retry_policy import RetryPolicy
from ptingest.delivery.schedule import Schedule
from ptingest.delivery.settlement import Settlement
from ptingest.delivery.sink_health import SinkHealth
from ptingest.delivery.stream_breakers import StreamBreakers
from ptingest.model.contracts import Clock
from ptingest.model.document import Document
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics
from tests.delivery.running_lane import lane_settings
from tests.fakes.sink import ScriptedSink


class LaneParts:
    """All parts of one lane, built as ``Lane`` builds them."""

    def __init__(self, clock: Clock, directory: Path, sink: ScriptedSink | None = None) -> None:
        settings, self.metrics = lane_settings(documents=10, concurrency=4), Metrics()
        self.sink, self.budget = sink or ScriptedSink(), DocumentBudget(1 << 20)
        self.letters = DeadLetters(directory, DeadLettersSettings(), clock, self.metrics)
        self.isolation, self.limiter = Isolation(), limiter_of(settings)
        self.attempts = Attempts(
            self.sink, isolation=self.isolation, metrics=self.metrics, clock=clock
        )
        self.intake = Intake(settings, in_flight=self.attempts.in_flight)
        self.streams = StreamBreakers(
            "fake",
            backoff=self.limiter.backoff,
            patience_seconds=300,
            share_bytes=lambda: 1 << 20,
        )
        self.retries = RetryPolicy(
            "fake",
            fresh=self.intake.batcher,
            limiter=self.limiter,
            streams=self.streams,
            isolation=self.isolation,
            patience_seconds=300,
            chance=lambda: 0.5,
        )
        self.schedule = Schedule(
            intake=self.intake,
            retries=self.retries,
            streams=self.streams,
            limiter=self.limiter,
            attempts=self.attempts,
            most_slots=settings.concurrency,
        )
        self._add_exits()

    def _add_exits(self) -> None:
        books = Books("fake", budget=self.budget, metrics=self.metrics)
        dead_lettering = DeadLettering(
            self.letters, books=books, metrics=self.metrics, on_failed=lambda: None
        )
        self.settlement = Settlement(books, dead_lettering, failing=self.retries.failing)
        self.inventory = Inventory(
            fresh=self.intake.batcher,
            again=self.retries.again,
            suspects=self.retries.suspects,
            streams=self.streams,
            in_flight=self.attempts.in_flight,
            dead_lettering=dead_lettering,
        )
        self.health = SinkHealth(
            "fake", retries=self.retries, attempts=self.attempts, inventory=self.inventory
        )

    def add(self, documents: Sequence[Document], now: float) -> None:
        """Let documents arrive that the budget was charged for."""
        self.budget.charge(sum(document.cost for document in documents))
        self.intake.add(documents, now)

    def send(self, now: float) -> Batch | None:
        """Put the next batch in flight."""
        batch = self.schedule.next(now)
        if batch is not None:
            self.attempts.begin(batch)
        return batch

"""Whatever a sink answers, every document gets one fate and every receipt closes once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ptingest.delivery.budget import Budget
from ptingest.delivery.dead_letter import DeadLetters, read_letters
from ptingest.delivery.lane import Lane
from ptingest.model.document import Document
from ptingest.model.outcome import Fate, WriteResult
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.sinks import BatchSettings, LaneSettings, RetrySettings
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import LoopClock, run_in_virtual_time
from tests.fakes.sink import CELERY, DJANGO, Answer, ScriptedSink, Window, Write, fates, refuse


@dataclass
class Road:
    """A running lane with everything around it."""

    sink: ScriptedSink
    lane: Lane
    budget: Budget
    letters: DeadLetters
    metrics: Metrics
    clock: LoopClock
    windows: list[Window] = field(default_factory=list)

    def window(self) -> Window:
        self.windows.append(Window())
        return self.windows[-1]

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
async def road(
    sink: ScriptedSink,
    directory: Path,
    *,
    settings: LaneSettings | None = None,
    budget_bytes: int = 1 << 30,
    max_bytes: int = 1 << 30,
) -> AsyncIterator[Road]:
    clock, metrics, budget = LoopClock(), Metrics(), Budget(budget_bytes)
    letters = DeadLetters(directory, DeadLettersSettings(max_bytes=max_bytes), clock, metrics)
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
        yield Road(sink, lane, budget, letters, metrics, clock)
        await lane.close()
        await letters.close()
    assert budget.outstanding == 0


def lane_settings(
    *, documents: int = 100, size: int = 1 << 20, concurrency: int = 4, patience: float = 300.0
) -> LaneSettings:
    return LaneSettings(
        batch=BatchSettings(max_documents=documents, max_bytes=size, max_age_seconds=0.1),
        retry=RetrySettings(initial_seconds=0.25, max_seconds=10, patience_seconds=patience),
        concurrency=concurrency,
    )


def test_a_stored_window_closes_its_receipt_and_frees_the_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with road(ScriptedSink(), tmp_path) as r:
            window = await r.send(10)
            await window.done.wait()

            assert window.is_acked
            assert r.budget.outstanding == 0
            assert fates(r.metrics) == {Fate.STORED: 10}
            assert r.lane.outstanding_by_service() == {}

    run_in_virtual_time(scenario())


# --- the model ------------------------------------------------------------------------------


class Chaos:
    """Answers at random, after random times, and remembers what it did with each document."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.stored: dict[Document, int] = {}
        self.raised = 0
        self.is_calm = False
        self.bad_stream = self.random.choice([DJANGO, CELERY, None])

    async def __call__(self, write: Write) -> Answer:
        chance = self.random
        await asyncio.sleep(chance.choice([0, 0, 0.01, 0.3, 4]))
        kinds = ["store", "mixed", "busy", "doubt", "large", "raise"]
        match "store" if self.is_calm else chance.choices(kinds, [3, 3, 1, 1, 1, 1])[0]:
            case "raise":
                self.raised += 1
                self._store(d for d in write.documents if chance.random() < 0.5)
                return ValueError("a bug in the sink")
            case "large" if len(write.documents) > 3:
                return WriteResult(too_large=True, busy=write.documents)
            case "busy":
                trouble = chance.choice([None, "no node answers"])
                after = chance.choice([None, 2.0])
                return WriteResult(busy=write.documents, trouble=trouble, retry_after_seconds=after)
            case "doubt":
                self._store(d for d in write.documents if chance.random() < 0.5)
                return WriteResult(doubtful=write.documents, trouble="no answer")
            case "mixed":
                return self._mixed(write)
        return self._rest_stored(write, {})

    def _mixed(self, write: Write) -> WriteResult:
        kinds = ["stored", "busy", "doubtful", "refused", "failure_stored"]
        weights = [10, 2, 1, 1, 1]
        chosen = {d: self.random.choices(kinds, weights)[0] for d in write.documents}
        return self._rest_stored(write, chosen)

    def _rest_stored(self, write: Write, chosen: dict[Document, str]) -> WriteResult:
        lists: dict[str, list[Document]] = {}
        for document in write.documents:
            kind = chosen.get(document, "stored")
            if document.data_stream == self.bad_stream and not self.is_calm:
                kind = "stream_busy"
            elif kind == "stored" and document in self.stored:
                kind = "already_stored"
            lists.setdefault(kind, []).append(document)
        self._store(lists.get("stored", []))
        return WriteResult(
            already_stored=lists.get("already_stored", ()),
            failure_stored=lists.get("failure_stored", ()),
            refused=refuse(lists.get("refused", ())),
            busy=lists.get("busy", ()),
            doubtful=lists.get("doubtful", ()),
            stream_busy=refuse(lists.get("stream_busy", ()), "no_template"),
        )

    def _store(self, documents: Any) -> None:
        for document in documents:
            self.stored[document] = self.stored.get(document, 0) + 1


async def send_at_random(r: Road, chance: random.Random) -> None:
    """Put windows in parts, now and then failing one, as closing connections do."""
    for _ in range(30):
        window = r.window()
        for _ in range(chance.randint(1, 3)):
            stream = chance.choice([DJANGO, CELERY])
            await r.put(
                window.documents(chance.randint(1, 40), data_stream=stream, service=stream.dataset)
            )
        window.receipt.seal()
        if chance.random() < 0.5:
            r.lane.hint_idle()
        await asyncio.sleep(chance.choice([0, 0, 0.05, 1]))
        if chance.random() < 0.2:
            chance.choice(r.windows).receipt.fail("the connection closed")
            r.lane.give_back()
        assert_books_balance(r)


def assert_books_balance(r: Road) -> None:
    received = sum(window.expected for window in r.windows)
    settled = sum(fates(r.metrics).values())
    assert settled + sum(r.lane.outstanding_by_service().values()) == received
    assert settled + r.lane.outstanding == received


@pytest.mark.parametrize("seed", range(40))
def test_books_balance_whatever_the_sink_answers(seed: int, tmp_path: Path) -> None:
    chance, chaos = random.Random(seed), Chaos(seed)
    leaves_rest = seed % 4 == 0

    async def scenario() -> None:
        settings = lane_settings(documents=50, size=1200, patience=20 if seed % 2 else 300)
        sink = ScriptedSink(otherwise=chaos)
        async with road(sink, tmp_path, settings=settings, budget_bytes=400_000) as r:
            await send_at_random(r, chance)
            chaos.is_calm = not leaves_rest
            now = r.clock.monotonic()
            left = await r.lane.drain(now + (5 if leaves_rest else 100))

            assert left == r.lane.outstanding
            assert left == 0 or leaves_rest
            assert_books_balance(r)
        assert_books_balance(r)
        judge_the_end(r)

    def judge_the_end(r: Road) -> None:
        assert r.lane.outstanding == 0
        assert all(len(window.closed) == 1 for window in r.windows)
        counted = fates(r.metrics)
        letters = [stored.letter.key for stored in read_letters(tmp_path)]
        assert len(letters) == len(set(letters)) == counted[Fate.DEAD_LETTERED]
        safe = {d.key for d in chaos.stored} | set(letters)
        failure_stored = {d.key for a in r.sink.answers for d in a.failure_stored}
        for window in r.windows:
            if window.is_acked:
                assert set(window.keys) <= safe | failure_stored
        twice = [d for d, times in chaos.stored.items() if times > 1]
        assert all(any(d in w.doubtful for w in r.sink.writes) for d in twice)

    run_in_virtual_time(scenario())
    if not leaves_rest:
        assert chaos.stored

"""A sink in memory that answers what a test tells it to."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ptingest.model.document import DataStream, Document
from ptingest.model.finding import Finding
from ptingest.model.outcome import Fate, Refusal, WriteResult
from ptingest.model.receipt import Receipt

DJANGO = DataStream("logs", "django", "pt")
CELERY = DataStream("logs", "celery", "pt")

_numbers = itertools.count()

Answer = WriteResult | Exception
Behaviour = Callable[["Write"], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Write:
    """One attempt, as the sink saw it."""

    number: int
    documents: Sequence[Document]
    doubtful: frozenset[Document]


class ScriptedSink:
    """Answers each write by its script, then by ``otherwise``, which stores everything.

    ``hold`` makes writes wait until ``let_go``; ``stored`` counts how often each document
    was stored.
    """

    def __init__(self, *script: Answer | Behaviour, otherwise: Behaviour | None = None) -> None:
        self.name = "fake"
        self.writes: list[Write] = []
        self.answers: list[WriteResult] = []
        self.is_closed = False
        self.in_flight = self.most_in_flight = 0
        self._script = list(script)
        self._otherwise = otherwise or (lambda write: WriteResult())
        self._gate = asyncio.Event()
        self._gate.set()
        self._changed = asyncio.Event()

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        write = Write(len(self.writes), list(documents), doubtful)
        self.writes.append(write)
        self._changed.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._gate.wait()
            answer = await self._answer(write)
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        self.answers.append(answer)
        return answer

    async def _answer(self, write: Write) -> Answer:
        scripted = self._script.pop(0) if self._script else self._otherwise
        if isinstance(scripted, WriteResult | Exception):
            return scripted
        answer = scripted(write)
        return await answer if inspect.isawaitable(answer) else answer

    def hold(self) -> None:
        self._gate.clear()

    def let_go(self) -> None:
        self._gate.set()

    async def wait_for_writes(self, count: int) -> None:
        """Return once ``count`` writes have begun."""
        while len(self.writes) < count:
            self._changed.clear()
            await self._changed.wait()

    async def check(self) -> Sequence[Finding]:
        return [Finding("ok", "fake", "it is one")]

    async def close(self) -> None:
        self.is_closed = True


class Window:
    """A receipt and what came of it."""

    def __init__(self) -> None:
        self.closed: list[Receipt] = []
        self.keys: list[str] = []
        self.done = asyncio.Event()
        self.receipt = Receipt(self._on_closed)

    def _on_closed(self, receipt: Receipt) -> None:
        self.closed.append(receipt)
        self.done.set()

    def documents(
        self,
        count: int,
        *,
        data_stream: DataStream = DJANGO,
        service: str = "django",
        body: bytes = b'{"message":"hello"}',
    ) -> list[Document]:
        """Make documents that this window expects."""
        self.receipt.expect(count)
        keys = [f"{next(_numbers):022d}" for _ in range(count)]
        self.keys += keys
        return [
            Document(
                target=data_stream,
                body=body,
                key=key,
                receipt=self.receipt,
                payload=b'{"message":"hello","offset":%d}' % number,
                service=service,
                peer="192.0.2.7:51234",
            )
            for number, key in enumerate(keys)
        ]

    @property
    def expected(self) -> int:
        """Documents made for this window."""
        return len(self.keys)

    @property
    def is_acked(self) -> bool:
        return len(self.closed) == 1 and self.receipt.failed is None


def refuse(documents: Sequence[Document], reason: str = "mapping") -> list[Refusal]:
    return [Refusal(document, reason, "failed to parse field [a]") for document in documents]


def fates(metrics: object) -> Counter[str]:
    """Return fate -> documents, as the metrics have it."""
    counts: Counter[str] = Counter()
    for labels, value in metrics.labelled("ptingest_lane_settled_events_total"):  # type: ignore[attr-defined]
        counts[Fate(labels[2])] += int(value)
    return counts

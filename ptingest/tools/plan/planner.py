"""Judges events stream by stream and adds up what is found.

planner = Planner(client, version)
async for row in planner.check(line, name, body, is_stream=True): ...
async for row in planner.finish(): ...
planner.streams
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ptingest.sinks.elasticsearch.answer import Requester
from ptingest.sinks.elasticsearch.templates import version_number
from ptingest.tools.plan.cluster import StreamFacts, ask_stream, may_simulate, simulate
from ptingest.tools.plan.cost import Cost, cost_of
from ptingest.tools.plan.refusals import Refusal, RefusalCheck, Verdict

MOST_STREAMS = 200
"""Streams that a cluster is asked about; each takes some requests."""
BATCH_DOCUMENTS, BATCH_BYTES = 200, 1 << 20
"""The most that a node is asked about at once."""
KINDS_SHOWN = 100
"""Fields whose refusals are counted apart."""


class Judged(NamedTuple):
    """One event that would not be taken, or may not be."""

    line: int
    stream: str
    is_certain: bool
    field: str
    reason: str


class Cause(NamedTuple):
    """Events of one stream with the same field to blame; the first is shown."""

    events: int
    line: int
    reason: str


@dataclass(slots=True)
class StreamPlan:
    """What is found of one stream."""

    facts: StreamFacts
    check: RefusalCheck
    fields_now: int
    events: int = 0
    body_bytes: int = 0
    has_original: bool = False
    refused: int = 0
    uncertain: int = 0
    causes: dict[tuple[bool, str], Cause] = field(default_factory=dict)
    """(is certain, field) -> cause."""
    waiting: list[tuple[int, bytes, Verdict]] = field(default_factory=list)
    """Documents that the node is still to be asked about."""
    waiting_bytes: int = 0

    @property
    def fields_then(self) -> int:
        """Fields of the mapping after these events."""
        return self.check.rules.size

    @property
    def cost(self) -> Cost:
        """What its documents take."""
        facts = self.facts
        size = self.body_bytes / self.events if self.events else 0.0
        return cost_of(
            size, facts.settings, documents=facts.stored_documents, stored_bytes=facts.stored_bytes
        )

    def count(self, judged: Judged) -> None:
        """Add one event that would not, or may not, be taken."""
        self.refused += judged.is_certain
        self.uncertain += not judged.is_certain
        key = (judged.is_certain, judged.field)
        before = self.causes.get(key)
        if before is not None:
            self.causes[key] = before._replace(events=before.events + 1)
        elif len(self.causes) < KINDS_SHOWN:
            self.causes[key] = Cause(1, judged.line, judged.reason)


class Planner:
    """All streams of some events."""

    def __init__(self, client: Requester, version: str) -> None:
        self._client = client
        self._simulates = may_simulate(version)
        self._version = version_number(version)
        self.streams: dict[str, StreamPlan] = {}
        self.not_asked = 0
        """Events of streams beyond ``MOST_STREAMS``."""

    async def check(
        self, line: int, name: str, body: bytes, *, is_stream: bool
    ) -> AsyncIterator[Judged]:
        """Judge one document; yields those, of earlier lines too, that would not be taken."""
        plan = self.streams.get(name)
        if plan is None:
            if len(self.streams) >= MOST_STREAMS:
                self.not_asked += 1
                return
            plan = self.streams[name] = await self._begun(name, is_stream=is_stream)
        plan.events += 1
        plan.body_bytes += len(body)
        plan.has_original = plan.has_original or b'"original":' in body
        verdict = plan.check.verdict(body)
        if plan.facts.known == "assumed":
            plan.waiting.append((line, body, verdict))
            plan.waiting_bytes += len(body)
            if len(plan.waiting) >= BATCH_DOCUMENTS or plan.waiting_bytes >= BATCH_BYTES:
                async for judged in self._ask(name, plan):
                    yield judged
        elif (judged_one := _of_rules(line, name, verdict)) is not None:
            plan.count(judged_one)
            yield judged_one

    async def finish(self) -> AsyncIterator[Judged]:
        """Yield what is still to be asked for."""
        for name, plan in self.streams.items():
            async for judged in self._ask(name, plan):
                yield judged

    async def _begun(self, name: str, *, is_stream: bool) -> StreamPlan:
        facts = await ask_stream(self._client, name)
        facts.rules.wants_timestamp, facts.rules.version = is_stream, self._version
        return StreamPlan(facts, RefusalCheck(facts.rules), facts.rules.size)

    async def _ask(self, name: str, plan: StreamPlan) -> AsyncIterator[Judged]:
        """Ask the node about the documents that wait, where rules are assumed."""
        waiting, plan.waiting, plan.waiting_bytes = plan.waiting, [], 0
        said: list[Refusal | None] | None = None
        if waiting and self._simulates:
            said = await simulate(self._client, name, [body for _, body, _ in waiting])
        for number, (line, _, verdict) in enumerate(waiting):
            refusal = None if said is None else said[number]
            if refusal is not None:
                # The node names the field in its sentence; ours names it by itself.
                where = "" if verdict.refusal is None else verdict.refusal.field
                judged: Judged | None = Judged(line, name, True, where, refusal.reason)
            else:
                judged = _of_assumed(line, name, verdict, is_asked=said is not None)
            if judged is not None:
                plan.count(judged)
                yield judged


def _of_rules(line: int, name: str, verdict: Verdict) -> Judged | None:
    if verdict.refusal is not None:
        return Judged(line, name, True, *verdict.refusal)
    if verdict.unjudged:
        reason = "is of a type or format that is not judged here"
        return Judged(line, name, False, ", ".join(verdict.unjudged), reason)
    return None


def _of_assumed(line: int, name: str, verdict: Verdict, *, is_asked: bool) -> Judged | None:
    """The verdict of assumed rules; the node, if it was asked, takes the document alone."""
    if verdict.refusal is not None:
        return Judged(line, name, False, *verdict.refusal)
    return None if is_asked else _of_rules(line, name, verdict)

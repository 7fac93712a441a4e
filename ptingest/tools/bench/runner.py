"""Measures what a user's own events cost: the whole run and each stage, in rounds.

The figures are processor time of this process, never wall time, so that a busy neighbour
changes them by some percent, not by half. Best, median and worst round are reported, so that a
reader sees how far to trust them.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from ptingest.errors import BenchFailed
from ptingest.model.contracts import Clock
from ptingest.model.document import DOCUMENT_OVERHEAD_BYTES, Document
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.elasticsearch.bulk import bulk_pieces
from ptingest.tools.bench import stages
from ptingest.tools.bench.in_process import gzip_bytes, lane_of, open_run
from ptingest.tools.bench.slow_path_reasons import SlowPathReason, find_slow_path_reasons
from ptingest.tools.bench.workload import Workload

FEWEST_ROUNDS = 3
MOST_ROUNDS = 200
SOCKETS_SHARE = 0.25
"""What the two sockets, TCP's copies and the HTTP client add to the run measured here.
See benchmarks/README.md: the same events through a whole server, beside the run alone."""
BUSY_SHARE = 0.7
"""Planned load of a worker, so that a burst finds room."""
SERVICE_EVENTS = 1024
SERVICE_BYTES = 2 << 20
"""One service's events in a round, for its own row."""
REST = "receipts, lane, loop"
DOCUMENTS = "build documents"


class Rounds(NamedTuple):
    """The same work several times: CPU microseconds an event."""

    best: float
    median: float
    worst: float
    rounds: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> Rounds:
        return cls(min(figures), median(figures), max(figures), len(figures))

    @property
    def spread_percent(self) -> float:
        """How much worse the worst round is than the best."""
        return 100 * (self.worst / self.best - 1) if self.best else 0.0


class EventOutcomes(NamedTuple):
    """What became of the file's own events, each counted once."""

    indexed: int
    """Documents, unparsed ones included."""
    unparsed: int
    """Documents that match no pattern, or whose time could not be read."""
    dropped: Mapping[str, int]
    dead_letters: Mapping[str, int]


class ServiceCost(NamedTuple):
    """One service's part of the file."""

    events: int
    unparsed: int
    pipeline_us: float


class Sizes(NamedTuple):
    """Average bytes of one event at each stage."""

    event: float
    wire: float
    document: float
    bulk: float
    """Its share of a compressed bulk body."""
    stored: float
    """Its share of the embedded store's file, text index included."""


class BenchReport(NamedTuple):
    """Everything that ``ptingest bench`` reports."""

    outcomes: EventOutcomes
    elasticsearch: Rounds
    """The whole run to Elasticsearch, without the two sockets."""
    store: Rounds
    """The same to the embedded store."""
    stages: Mapping[str, float]
    """Microseconds an event of each stage on the way to Elasticsearch; their sum is its best."""
    store_us: float
    """Replaces the last three stages where the store is the sink."""
    slow_path: Mapping[tuple[SlowPathReason, str], int]
    services: Mapping[str, ServiceCost]
    sizes: Sizes
    outstanding_events: int
    """Documents that fit into half of ``beats.limits.total_bytes``."""


class Plan(NamedTuple):
    """What one rate of events needs."""

    rate: float
    cores: float
    """Cores that it uses, sockets included."""
    workers: int
    received_megabits: float
    sent_megabits: float
    documents_gigabytes_a_day: float
    buffered_seconds: float
    """How long documents fit into memory while the sink takes none; after that Beats wait."""


def plan(report: BenchReport, rate: float) -> Plan:
    """Return what ``rate`` events a second need, by the median of the rounds."""
    cores = rate * report.elasticsearch.median * (1 + SOCKETS_SHARE) / 1e6
    sizes = report.sizes
    return Plan(
        rate=rate,
        cores=cores,
        workers=max(1, math.ceil(cores / BUSY_SHARE)),
        received_megabits=rate * sizes.wire * 8 / 1e6,
        sent_megabits=rate * sizes.bulk * 8 / 1e6,
        documents_gigabytes_a_day=rate * sizes.document * 86_400 / 1e9,
        buffered_seconds=report.outstanding_events / rate,
    )


class Bench:
    """One measurement; ``run`` takes about ``seconds``."""

    def __init__(
        self,
        settings: ServerSettings,
        profile: ProfileSettings,
        workload: Workload,
        *,
        clock: Clock,
        seconds: float,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings, self._profile, self._workload = settings, profile, workload
        self._pipeline = compile_profile(profile)
        self._seconds = seconds
        self._clock = clock
        self._on_step = on_step
        self._lane = lane_of(settings)
        self._store_lane = settings.sinks.store or StoreSettings()

    def run(
        self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> BenchReport:
        """Measure everything.

        Raises:
            BenchFailed: none of the events would be indexed, or a window not acked.
        """
        self._on_step("looking at the events")
        now_ns = self._clock.time_ns()
        own = self._process(self._workload.own, now_ns)
        outcomes = outcomes_of(own)
        if not outcomes.indexed:
            raise BenchFailed(why=_nothing_indexed(outcomes))
        slow_path = find_slow_path_reasons(self._profile, self._workload.own, now_ns=now_ns)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            run, parts = runner.run(self._drive(0.7 * self._seconds, now_ns))
        self._on_step("each service")
        services = self._services(own, 0.1 * self._seconds, now_ns)
        self._on_step("the embedded store")
        store, stored_bytes = self._store(0.2 * self._seconds, now_ns)
        bodies = [len(document.body) for document in own.documents]
        document_bytes = sum(bodies) / len(bodies)
        cost = document_bytes + self._workload.event_bytes + DOCUMENT_OVERHEAD_BYTES
        sending = sum(parts[name] for name in (stages.BODY, stages.GZIP, stages.ANSWER))
        return BenchReport(
            outcomes=outcomes,
            elasticsearch=run,
            store=_with_store(run, sending, store),
            stages=shares(parts, run.best),
            store_us=store.best,
            slow_path=slow_path,
            services=services,
            sizes=Sizes(
                event=self._workload.event_bytes,
                wire=self._workload.wire_bytes,
                document=document_bytes,
                bulk=self._bulk_bytes(own.documents),
                stored=stored_bytes,
            ),
            outstanding_events=int(self._settings.beats.limits.total_bytes / 2 / cost),
        )

    def _process(self, payloads: Sequence[bytes], now_ns: int) -> Processed:
        receipt = Receipt(lambda _: None)
        return self._pipeline.process(payloads, receipt=receipt, peer="", now_ns=now_ns)

    async def _drive(self, seconds: float, now_ns: int) -> tuple[Rounds, dict[str, float]]:
        """Time whole rounds, and in each of them every stage alone, so that a change of the
        machine's speed affects all of them. Returns the best round of each stage."""
        workload = self._workload
        found = stages.make_stages(
            self._pipeline,
            workload.windows,
            workload.wires,
            keyed=self._lane.ids == "keyed",
            batch=self._lane.batch,
            now_ns=now_ns,
        )
        parts: dict[str, list[float]] = {name: [] for name in found}
        whole: list[float] = []
        async with open_run(self._settings, self._profile, clock=self._clock) as run:
            await run.carry(workload.wires)  # fills the caches, as in a running server
            until = time.perf_counter() + seconds
            while _goes_on(len(whole), until):
                self._on_step(f"the whole run and its stages, round {len(whole) + 1}")
                start = time.process_time()
                await run.carry(workload.wires)
                whole.append((time.process_time() - start) * 1e6 / workload.events)
                for name, work in found.items():
                    parts[name].append(_timed(work, workload.events))
        return Rounds.of(whole), {name: min(figures) for name, figures in parts.items()}

    def _bulk_bytes(self, documents: Sequence[Document]) -> float:
        """Bytes that a document of the file takes in a bulk body as sent."""
        sent = 0
        for batch in stages.batches_of(documents, self._lane.batch):
            pieces = list(bulk_pieces(batch, keyed=self._lane.ids == "keyed"))
            sent += gzip_bytes(pieces) if self._lane.compress else sum(map(len, pieces))
        return sent / len(documents)

    def _services(self, own: Processed, seconds: float, now_ns: int) -> dict[str, ServiceCost]:
        """Time the pipeline for each service's events alone."""
        payloads: dict[str, list[bytes]] = {}
        for document in own.documents:
            payloads.setdefault(document.service, []).append(document.payload)
        ordered = sorted(payloads, key=lambda name: -len(payloads[name]))
        windows = {service: [_enough(payloads[service])] for service in ordered}
        figures: dict[str, list[float]] = {service: [] for service in ordered}
        until = time.perf_counter() + seconds
        rounds = 0
        while _goes_on(rounds, until):
            rounds += 1
            for service, window in windows.items():
                work = partial(stages.process_all, self._pipeline, window, now_ns)
                figures[service].append(_timed(work, len(window[0])))
        return {
            service: ServiceCost(
                len(payloads[service]), unparsed_of(own, service), min(figures[service])
            )
            for service in ordered
        }

    def _store(self, seconds: float, now_ns: int) -> tuple[Rounds, float]:
        """Time batches into an embedded store of its own; also the file's bytes a document."""
        documents = stages.process_all(self._pipeline, self._workload.windows, now_ns)
        batch = self._store_lane.batch
        figures: list[float] = []
        size = 0.0
        until = time.perf_counter() + seconds
        with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
            while _goes_on(len(figures), until):
                path = Path(folder) / f"{len(figures)}.sqlite"
                batches = stages.batches_of(_with_own_keys(documents), batch)
                cpu = asyncio.run(self._fill_store(path, batches))
                figures.append(cpu * 1e6 / len(documents))
                size = path.stat().st_size / len(documents)
                path.unlink()
        return Rounds.of(figures), size

    async def _fill_store(self, path: Path, batches: Sequence[Sequence[Document]]) -> float:
        from ptingest.sinks.store.sink import StoreSink

        sink = StoreSink(StoreSettings(), path=path, clock=self._clock)
        try:
            await sink.check()  # opens the file, which a server does once
            start = time.process_time()
            for batch in batches:
                result = await sink.write(batch, frozenset())
                if result.trouble is not None:
                    raise BenchFailed(why=f"the store in {path.parent}: {result.trouble}")
        finally:
            # Updates the text index, which is part of the cost of these documents.
            await sink.close()
        return time.process_time() - start


def _timed(work: stages.Work, events: int) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e6 / events


def _enough(events: Sequence[bytes]) -> list[bytes]:
    """One service's events: repeated where they are few, fewer where they are large."""
    size = sum(map(len, events)) / len(events)
    wanted = max(1, min(SERVICE_EVENTS, int(SERVICE_BYTES / size)))
    return [events[at % len(events)] for at in range(wanted)]


def _goes_on(rounds: int, until: float) -> bool:
    return rounds < FEWEST_ROUNDS or (rounds < MOST_ROUNDS and time.perf_counter() < until)


def _with_own_keys(documents: Sequence[Document]) -> list[Document]:
    """Give repeated events keys of their own, in the order of time."""
    return [
        document if document.key is None else replace(document, key=f"{document.key[:8]}{at:014d}")
        for at, document in enumerate(documents)
    ]


def _with_store(run: Rounds, sending: float, store: Rounds) -> Rounds:
    """The run with the store in place of its last stages."""
    return Rounds(
        run.best - sending + store.best,
        run.median - sending + store.median,
        run.worst - sending + store.worst,
        min(run.rounds, store.rounds),
    )


def shares(parts: Mapping[str, float], run: float) -> dict[str, float]:
    """Split the cost of a run over its stages; the rest is what no stage accounts for."""
    inside = {name: parts[name] for name in stages.INSIDE_PIPELINE}
    building = max(0.0, parts[stages.PIPELINE] - sum(inside.values()))
    last = {name: parts[name] for name in (stages.BODY, stages.GZIP, stages.ANSWER)}
    shown = {stages.FRAMES: parts[stages.FRAMES], **inside, DOCUMENTS: building, **last}
    return {**shown, REST: max(0.0, run - sum(shown.values()))}


def outcomes_of(done: Processed) -> EventOutcomes:
    """Count what became of each payload."""
    dropped: Counter[str] = Counter()
    for (_, reason), count in done.dropped.items():
        dropped[str(reason)] += count
    return EventOutcomes(
        indexed=len(done.documents),
        unparsed=sum(unparsed_of(done, service) for service in done.received),
        dropped=dropped,
        dead_letters=Counter(letter.reason for letter in done.dead_letters),
    )


def unparsed_of(done: Processed, service: str) -> int:
    """Count a service's events that match no pattern, or whose time could not be read."""
    return sum(done.tallies.get((service, what), 0) for what in ("grok_failure", "date_failure"))


def _nothing_indexed(outcomes: EventOutcomes) -> str:
    shown = ", ".join(
        f"{count} {fate} ({reason})"
        for fate, reasons in (
            ("dropped", outcomes.dropped),
            ("dead letters", outcomes.dead_letters),
        )
        for reason, count in reasons.items()
    )
    return (
        f"none of these events would be indexed: {shown}; `ptingest try` shows what becomes of "
        "each. Plain log lines need --service NAME"
    )

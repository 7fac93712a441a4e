"""The pool of worker processes: started, monitored, and started again when they die.

    waiting --exec--> starting --START--> running --DRAIN or SIGTERM--> draining --> ended
       ^                  |                  |
       +---- backoff -----+-- died, silent --+

A worker is a new interpreter that inherits two sockets (rpc, fd passing) and nothing else.
Its counters are kept when it ends; its events in flight count as given back, since no ack for
them was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from ptingest.errors import (
    PtingestError,
    RpcClosed,
    RpcRefused,
    WorkersDidNotStart,
    WorkersRefusedConfig,
)
from ptingest.model.contracts import Clock
from ptingest.model.outcome import Fate
from ptingest.server.custody import SETTLED
from ptingest.server.process.signals import ending
from ptingest.telemetry.metrics import Metrics, MetricSample
from ptingest.telemetry.snapshots import merge, retire
from ptingest.workers.messages import (
    DRAIN,
    LOAD,
    PREPARE,
    REPORT,
    SNAPSHOT,
    START,
    SWAP,
    Config,
    Start,
    WorkerLoad,
    WorkerReport,
    WorkerSnapshot,
)
from ptingest.workers.rpc import NOTHING, Request, RpcConnection, open_rpc
from ptingest.workers.spawn import launch

log = logging.getLogger(__name__)

Body = TypeVar("Body")
Answer = TypeVar("Answer")
State = Literal["waiting", "starting", "running", "draining"]

OUTSTANDING = "ptingest_lane_outstanding_events"
CONFIG_ERRORS = frozenset({"ConfigInvalid", "ConfigProblem", "TlsUnusable"})
"""Errors of a worker that cannot use a config which the supervisor has validated."""
LAST_REPORT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class WorkerTimeouts:
    """Timeouts of the supervisor, in seconds."""

    start: float = 60.0
    """From exec until a worker takes connections; generous for a loaded machine."""
    silence: float = 20.0
    """A worker that sends nothing for this long hangs and is killed; it reports every second."""
    backoff_first: float = 0.25
    backoff_most: float = 15.0
    forget: float = 60.0
    """After running for this long, earlier failures of a worker are forgotten."""
    leave: float = 5.0
    """Time that a worker may take to exit beyond its drain."""


@dataclass(slots=True)
class PoolWorker:
    """One worker of the pool: its current process, and what is known of it."""

    number: int
    state: State = "waiting"
    process: asyncio.subprocess.Process | None = None
    rpc: RpcConnection | None = None
    pair: socket.socket | None = None
    """Our end of the socket pair for fd passing."""
    config: Config | None = None
    """The config it runs with."""
    connections: dict[int, str] = field(default_factory=dict)
    """Number of a connection -> address that counts against ``connections_per_ip``, or ""."""
    per_ip: Counter[str] = field(default_factory=Counter)
    events: int = 0
    events_lately: int = 0
    """Events received between the last two reports."""
    is_accepting: bool = True
    samples: list[MetricSample] = field(default_factory=list)
    snapshot: WorkerSnapshot | None = None
    heard_at: float = 0.0
    started_at: float = 0.0
    restarts: int = 0
    last_end: str | None = None
    """How its last process ended."""
    next_start_at: float = 0.0

    @property
    def name(self) -> str:
        return f"worker {self.number}"

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    @property
    def is_answering(self) -> bool:
        """Whether it answers requests."""
        return self.state in ("running", "draining")

    @property
    def accepts(self) -> bool:
        """Whether connections may be passed to it now."""
        return self.state == "running" and self.is_accepting

    def take(self, number: int, ip: str) -> None:
        """A connection was passed to it."""
        self.connections[number] = ip
        self.per_ip[ip] += 1

    def lose(self, number: int) -> None:
        """A connection has ended."""
        ip = self.connections.pop(number, None)
        if ip is not None:
            self.per_ip[ip] -= 1
            if not self.per_ip[ip]:
                del self.per_ip[ip]

    def kill(self) -> None:
        """Kill its process with SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def clear(self) -> None:
        """Reset to the state without a process."""
        self.state, self.process, self.rpc, self.config = "waiting", None, None, None
        if self.pair is not None:
            self.pair.close()
        self.pair, self.snapshot = None, None
        self.events = self.events_lately = 0
        self.is_accepting = True
        self.connections, self.per_ip, self.samples = {}, Counter(), []


class WorkerEnd(NamedTuple):
    """How a worker process ended."""

    text: str
    reason: Literal["died", "silent", "refused"] = "died"
    is_config: bool = False
    """Whether it could not use its config."""


class WorkerPool:
    """All workers; `run` keeps them running until `stop`."""

    def __init__(
        self,
        count: int,
        *,
        config: Callable[[], Config],
        config_path: Path | None = None,
        drain_seconds: Callable[[], float],
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        timeouts: WorkerTimeouts,
    ) -> None:
        """``config`` returns the config in force, the same object until it changes."""
        self.workers = [PoolWorker(number) for number in range(1, count + 1)]
        self.retired: list[MetricSample] = []
        """Metrics of workers that have ended."""
        self.is_up = asyncio.Event()
        """Set once a worker has come up."""
        self.changed = asyncio.Event()
        """Set whenever a worker may have become ready to take a connection."""
        self.timeouts = timeouts
        self._config, self._drain_seconds = config, drain_seconds
        self._config_path = None if config_path is None else str(config_path)
        self._metrics, self._clock, self._chance = metrics, clock, chance
        self._first_ends: dict[int, WorkerEnd] = {}
        self._stopping = asyncio.Event()

    @property
    def running(self) -> list[PoolWorker]:
        return [worker for worker in self.workers if worker.state == "running"]

    async def run(self) -> None:
        """Start all and keep them running; returns when all have ended after `stop`.

        Raises:
            WorkersDidNotStart: no worker came up at the first try; it has the first error.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self.workers:
                    group.create_task(self._keep_running(worker), name=worker.name)
        finally:
            self.kill()

    def stop(self) -> None:
        """Start no more processes."""
        self._stopping.set()

    def kill(self) -> None:
        """Kill all processes with SIGKILL."""
        for worker in self.workers:
            worker.kill()

    # -- requests ---------------------------------------------------------------------------

    async def request(
        self, worker: PoolWorker, request: Request[Body, Answer], body: Body, *, seconds: float
    ) -> Answer | PtingestError:
        """Send a request to one worker; an error is returned, not raised."""
        if worker.rpc is None:
            return RpcClosed(name=worker.name)
        try:
            answer = await worker.rpc.request(request, body, seconds=seconds)
        except TimeoutError:
            return RpcRefused(kind="TimeoutError", text=f"no answer within {seconds:g} s")
        except (RpcClosed, RpcRefused) as error:
            return error
        worker.heard_at = self._clock.monotonic()
        return answer

    async def request_all(
        self, request: Request[Body, Answer], body: Body, *, seconds: float
    ) -> dict[int, Answer | PtingestError]:
        """Send a request to all workers at once; returns the answer or error by number."""
        answers: dict[int, Answer | PtingestError] = {}

        async def request_one(worker: PoolWorker) -> None:
            answer = await self.request(worker, request, body, seconds=seconds)
            answers[worker.number] = answer

        await asyncio.gather(
            *(request_one(worker) for worker in self.workers if worker.is_answering)
        )
        return answers

    async def drain(self) -> int:
        """Drain all workers; returns how many documents were left unsettled.

        For a worker that does not answer in time, its last report of events in flight counts.
        """
        self.stop()
        seconds = self._drain_seconds() + self.timeouts.leave
        in_flight = {worker.number: in_flight_of(worker.samples) for worker in self.workers}
        for worker in self.workers:
            if worker.state == "starting":
                worker.kill()  # it has received nothing yet
            elif worker.state == "running":
                worker.state = "draining"
        left = 0
        for number, answer in (await self.request_all(DRAIN, NOTHING, seconds=seconds)).items():
            if isinstance(answer, PtingestError):
                log.warning("worker %d did not report what it left: %s", number, answer)
                left += in_flight[number]
            else:
                left += answer.left
        return left

    # -- one worker ---------------------------------------------------------------------------

    async def _keep_running(self, worker: PoolWorker) -> None:
        """Run one process after the other, until `stop`."""
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            pid, lost, end = await self._run_once(worker)
            if self._stopping.is_set():
                return
            self._check_first_start(worker, end)
            ran = self._clock.monotonic() - began
            failures = 1 if ran >= self.timeouts.forget else failures + 1
            delay = self._backoff(failures)
            worker.last_end, worker.restarts = end.text, worker.restarts + 1
            worker.next_start_at = self._clock.monotonic() + delay
            self._metrics.add("ptingest_supervisor_restarts_total", 1, end.reason)
            log.error(
                "%s (pid %s) %s; %d connections are closed, their Beats reconnect; it is "
                "started again in %.1f s",
                worker.name, pid, end.text, lost, delay,
            )  # fmt: skip
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    def _check_first_start(self, worker: PoolWorker, end: WorkerEnd) -> None:
        """Give up when no worker comes up at the first try: retries would not help."""
        if self.is_up.is_set():
            return
        self._first_ends.setdefault(worker.number, end)
        if len(self._first_ends) == len(self.workers):
            first = next(iter(self._first_ends.values()))
            kind = WorkersRefusedConfig if first.is_config else WorkersDidNotStart
            raise kind(cause=first.text)

    def _backoff(self, failures: int) -> float:
        first, most = self.timeouts.backoff_first, self.timeouts.backoff_most
        doubled: float = first * 2 ** min(failures - 1, 20)
        return min(most, doubled) * (0.5 + self._chance.random() / 2)

    async def _run_once(self, worker: PoolWorker) -> tuple[int | None, int, WorkerEnd]:
        """Run one process; returns its pid, how many connections were lost, and how it ended."""
        try:
            process, control, pair = await launch(drain_seconds=self._drain_seconds())
        except OSError as error:
            return None, 0, WorkerEnd(f"cannot be started: {error.strerror or error}")
        worker.process, worker.pair = process, pair  # first, so that it is killed in any case
        if self._stopping.is_set():
            worker.kill()  # stopped while it was being started: it has received nothing
        rpc = await open_rpc(control, name=worker.name)
        self.subscribe_to(worker, rpc)
        worker.state, worker.rpc = "starting", rpc
        worker.started_at = worker.heard_at = self._clock.monotonic()
        serving = asyncio.create_task(rpc.run(), name=f"{worker.name} control")
        try:
            end = await self._begin(worker, rpc) or await self._watch(worker, process)
        finally:
            worker.kill()
            await process.wait()
            with contextlib.suppress(TimeoutError):  # the last report may still be unread
                async with asyncio.timeout(LAST_REPORT_SECONDS):
                    await serving
            rpc.close()
            lost = len(worker.connections)
            self.retired = merge([self.retired, given_back(worker.samples)])
            worker.clear()
        if not end.text:
            end = end._replace(text=f"{ending(process.returncode)} before it had begun")
        return process.pid, lost, end

    async def _begin(self, worker: PoolWorker, rpc: RpcConnection) -> WorkerEnd | None:
        """Send its config; returns None once it runs."""
        config = self._config()
        start = Start(worker.number, len(self.workers), config, self._config_path)
        try:
            await rpc.request(START, start, seconds=self.timeouts.start)
            while config is not self._config():  # reloaded meanwhile
                config = self._config()
                await rpc.request(PREPARE, config, seconds=self.timeouts.start)
                await rpc.request(SWAP, NOTHING, seconds=self.timeouts.start)
        except RpcRefused as refusal:
            return WorkerEnd(refusal.text, "refused", refusal.kind in CONFIG_ERRORS)
        except RpcClosed:
            return WorkerEnd("")
        except TimeoutError:
            return WorkerEnd(f"did not start within {self.timeouts.start:g} s", "silent")
        worker.config, worker.heard_at = config, self._clock.monotonic()
        # It may have been told to drain meanwhile.
        worker.state = "running" if worker.state == "starting" else worker.state
        self.is_up.set()
        self.changed.set()
        return None

    async def _watch(self, worker: PoolWorker, process: asyncio.subprocess.Process) -> WorkerEnd:
        """Return when it has ended, or hangs and must be killed."""
        ended = asyncio.create_task(process.wait())
        try:
            while True:
                done, _ = await asyncio.wait([ended], timeout=self.timeouts.silence / 4)
                if done:
                    return WorkerEnd(ending(process.returncode))
                if self._clock.monotonic() - worker.heard_at > self.timeouts.silence:
                    # This process may have been suspended itself: ask once before the kill.
                    answer = await self.request(
                        worker, SNAPSHOT, NOTHING, seconds=self.timeouts.silence / 4
                    )
                    if isinstance(answer, PtingestError) and process.returncode is None:
                        text = f"said nothing for {self.timeouts.silence:g} s and was killed"
                        return WorkerEnd(text, "silent")
        finally:
            ended.cancel()

    # -- notifications of workers -----------------------------------------------------------

    def subscribe_to(self, worker: PoolWorker, rpc: RpcConnection) -> None:
        """Keep what this worker reports."""
        rpc.on_notification(LOAD, partial(self._on_load, worker))
        rpc.on_notification(REPORT, partial(self._on_report, worker))

    def _on_load(self, worker: PoolWorker, load: WorkerLoad) -> None:
        worker.heard_at = self._clock.monotonic()
        worker.is_accepting = load.is_accepting
        worker.events = load.events
        for number in load.left:
            worker.lose(number)
        if load.is_draining:
            worker.state = "draining"
        self.changed.set()

    def _on_report(self, worker: PoolWorker, report: WorkerReport) -> None:
        worker.events_lately = report.load.events - worker.events
        self._on_load(worker, report.load)
        worker.samples = report.samples


def in_flight_of(samples: list[MetricSample]) -> int:
    """Documents in flight of a worker by its last report; with several sinks the largest."""
    by_sink: Counter[str] = Counter()
    for sample in samples:
        if sample.name == OUTSTANDING:
            by_sink[sample.labels[0]] += int(sample.values[0])
    return max(by_sink.values(), default=0)


def given_back(samples: list[MetricSample]) -> list[MetricSample]:
    """Metrics to keep of a worker that has ended: its counters, and its events in flight as
    given back, so that the books balance."""
    lost = [
        MetricSample(SETTLED, (*sample.labels, Fate.GIVEN_BACK), sample.values)
        for sample in samples
        if sample.name == OUTSTANDING and sample.values[0]
    ]
    return merge([retire(samples), lost])

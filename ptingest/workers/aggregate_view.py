"""Aggregated /readyz, /status and /metrics of several workers.

Each answer asks all workers for a snapshot, within a bounded time; for a worker that does not
answer, its last report is used. Counters include workers that have ended, so they never
decrease.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import orjson

from ptingest.api.usage import Usage, usage_of
from ptingest.errors import PtingestError
from ptingest.model.contracts import Clock
from ptingest.server.custody import ADDED, SETTLED
from ptingest.server.status import Books, balanced, process_row
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.telemetry.snapshots import merge
from ptingest.workers.merge_status import merge_reasons, merge_status
from ptingest.workers.messages import SNAPSHOT
from ptingest.workers.pool import OUTSTANDING, PoolWorker, WorkerPool
from ptingest.workers.rpc import NOTHING

LOOK_SECONDS = 1.0
"""How long an answer waits for a busy worker; after that its last report is used."""
RECEIVED = "ptingest_flow_received_events_total"


class AggregatedView:
    """Implements ``StatusView`` for a supervisor."""

    def __init__(
        self, pool: WorkerPool, *, own: Metrics, settings: ServerSettings, clock: Clock
    ) -> None:
        """``own`` are the metrics of the supervisor; `metrics` adds those of the workers."""
        self.settings = settings
        self.metrics = Metrics()
        """The sum of all processes, as of the last `refresh`."""
        self.listening: str | None = None
        self.draining = False
        self.sections: Callable[[], dict[str, dict[str, object]]] = dict
        """Sections of the supervisor: name in /status -> keys that replace those of the workers."""
        self.certificates: Callable[[], dict[str, object]] = dict
        """Status of the certificates of the HTTP port."""
        self.port_troubles: Callable[[float], list[str]] = lambda _: []
        """Reasons why the port accepts no new Beat, as of a monotonic time."""
        self._pool, self._own, self._clock = pool, own, clock
        self._started = clock.monotonic()
        self._refreshing: asyncio.Task[None] | None = None
        self._version = version("ptingest")
        own.set("ptingest_worker_info", 1, self._version)
        own.set("ptingest_worker_start_time_seconds", clock.time_ns() / 1e9)

    async def refresh(self) -> None:
        """Ask all workers; concurrent callers share one round of requests."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh_all(), name="worker snapshots")
        await asyncio.shield(self._refreshing)

    async def _refresh_all(self) -> None:
        await asyncio.gather(
            *(self._refresh_worker(worker) for worker in self._pool.workers if worker.is_answering)
        )
        self.show()

    async def _refresh_worker(self, worker: PoolWorker) -> None:
        asked = worker.rpc
        answer = await self._pool.request(worker, SNAPSHOT, NOTHING, seconds=LOOK_SECONDS)
        # The process may have been replaced meanwhile: the counts of the old one are kept apart.
        if not isinstance(answer, PtingestError) and worker.rpc is asked:
            worker.snapshot, worker.samples = answer, answer.samples

    def show(self) -> None:
        """Update `metrics` from what is known now, without a request."""
        own, pool = self._own, self._pool
        own.set("ptingest_worker_is_ready", 0 if self.readiness() else 1)
        own.set("ptingest_supervisor_running_workers", len(pool.running))
        parts = [worker.samples for worker in pool.workers]
        self.metrics.show(merge([own.samples(), pool.retired, *parts]))

    # -- what is shown ----------------------------------------------------------------------

    def readiness(self) -> list[str]:
        """Reasons why no new Beat should be sent here; empty when ready."""
        if self.draining:
            return ["draining: this process is stopping"]
        if self.listening is None:
            return ["not listening yet"]
        if not self._pool.running:
            ends = [worker.last_end for worker in self._pool.workers if worker.last_end]
            return [f"no worker is running{f': the last one {ends[0]}' if ends else ' yet'}"]
        said = {
            worker.number: worker.snapshot.readiness
            for worker in self._pool.running
            if worker.snapshot
        }
        return self.port_troubles(self._clock.monotonic()) + merge_reasons(said)

    def status(self) -> dict[str, object]:
        """The shape of one worker's /status, for all of them, and a row for each process.

        While no worker is running, the keys that only workers provide are missing.
        """
        parts = [self._status_of(worker) for worker in self._pool.workers if worker.snapshot]
        ours = {"certificates": self.certificates(), "process": process_row(with_children=True)}
        merged = merge_status([*parts, ours])
        status: dict[str, object] = {
            **merged,
            "version": self._version,
            "pid": os.getpid(),
            "uptime_seconds": round(self._clock.monotonic() - self._started, 1),
            "listening": self.listening,
            "draining": self.draining,
            "not_ready_because": self.readiness(),
            "books": self.books(),
            "workers": self.rows(),
        }
        for name, keys in self.sections().items():
            section = status.get(name)
            status[name] = {**section, **keys} if isinstance(section, dict) else keys
        return status

    def _status_of(self, worker: PoolWorker) -> dict[str, object]:
        assert worker.snapshot is not None
        status: dict[str, Any] = orjson.loads(worker.snapshot.status)
        for row in status["beats"]["listed"]:
            row["worker"] = worker.number
        return status

    def books(self) -> Books:
        """As those of one worker; workers that have ended are included."""
        metrics = self.metrics
        received = {labels[0]: int(value) for labels, value in metrics.labelled(RECEIVED)}
        added = {labels: int(value) for labels, value in metrics.labelled(ADDED)}
        books: Books = {}

        def row(sink: str, service: str) -> dict[str, int]:
            count = received.get(service, 0) + added.get((sink, service), 0)
            rows = books.setdefault(sink, {})
            return rows.setdefault(service, {"received": count, "in_flight": 0})

        for (sink, service), value in metrics.labelled(OUTSTANDING):
            row(sink, service)["in_flight"] = int(value)
        for (sink, service, fate), value in metrics.labelled(SETTLED):
            row(sink, service)[fate] = int(value)
        return balanced(books)

    def usage(self) -> Usage:
        """Resources of all processes together; those that have ended are included."""
        pids = [worker.pid for worker in self._pool.workers if worker.pid is not None]
        return usage_of([os.getpid(), *pids])

    def rows(self) -> list[dict[str, object]]:
        """One row for each worker process."""
        now = self._clock.monotonic()
        return [self._row(worker, now) for worker in self._pool.workers]

    def _row(self, worker: PoolWorker, now: float) -> dict[str, object]:
        lag = [s.values[0] for s in worker.samples if s.name == "ptingest_worker_loop_lag_seconds"]
        limits = self.settings.beats.limits
        workers = len(self._pool.workers)
        return {
            "worker": worker.number,
            "pid": worker.pid,
            "state": worker.state,
            "connections": len(worker.connections),
            "events_lately": worker.events_lately,
            "accepting": worker.is_accepting,
            "restarts": worker.restarts,
            "last_end": worker.last_end,
            "starts_in_seconds": (
                round(max(0.0, worker.next_start_at - now), 1)
                if worker.state == "waiting"
                else None
            ),
            "uptime_seconds": round(now - worker.started_at, 1) if worker.pid else None,
            "silent_seconds": round(now - worker.heard_at, 1) if worker.pid else None,
            "rss_bytes": None
            if worker.pid is None
            else usage_of([worker.pid]).memory_bytes or None,
            "loop_lag_seconds": lag[0] if lag else None,
            "limits": {
                "total_bytes": limits.total_bytes // workers,
                "connections_per_ip_behind_proxy": -(-limits.connections_per_ip // workers),
            },
        }

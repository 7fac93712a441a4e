"""What /readyz, /status and /metrics say of several workers as one.

Each answer asks all workers for their present state, within a bounded time; of one that does
not answer the last report counts. Counters are those of the workers there are and of those
that are gone, so they never go back.
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
from ptingest.server.custody import SETTLED
from ptingest.server.status import Books, balanced, process_row
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.telemetry.snapshots import merge
from ptingest.workers.merge_status import merge_reasons, merge_status
from ptingest.workers.messages import LOOK
from ptingest.workers.pool import OUTSTANDING, Crew, Slot
from ptingest.workers.rpc import NOTHING

LOOK_SECONDS = 1.0
"""How long an answer waits for a worker that is busy; its last report counts then."""
RECEIVED = "ptingest_flow_received_events_total"


class WholeView:
    """Implements ``StatusView`` for a supervisor."""

    def __init__(self, crew: Crew, *, own: Metrics, settings: ServerSettings, clock: Clock) -> None:
        """``own`` are the supervisor's metrics; what `metrics` shows is theirs and the workers'."""
        self.settings = settings
        self.metrics = Metrics()
        """Everything together, as of the last `refresh`."""
        self.listening: str | None = None
        self.draining = False
        self.sections: Callable[[], dict[str, dict[str, object]]] = dict
        """What the supervisor says itself: name in /status -> keys that replace the workers'."""
        self.certificates: Callable[[], dict[str, object]] = dict
        """Of the HTTP port."""
        self.port_troubles: Callable[[float], list[str]] = lambda _: []
        """Why no new Beat comes in at the port, as of a monotonic time."""
        self._crew, self._own, self._clock = crew, own, clock
        self._started = clock.monotonic()
        self._looking: asyncio.Task[None] | None = None
        self._version = version("ptingest")
        own.set("ptingest_worker_info", 1, self._version)
        own.set("ptingest_worker_start_time_seconds", clock.time_ns() / 1e9)

    async def refresh(self) -> None:
        """Ask all workers; whoever comes meanwhile gets the same answers."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look at workers")
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        await asyncio.gather(*(self._look_at(slot) for slot in self._crew.slots if slot.is_there))
        self.show()

    async def _look_at(self, slot: Slot) -> None:
        asked = slot.channel
        answer = await self._crew.ask(slot, LOOK, NOTHING, seconds=LOOK_SECONDS)
        # The next worker may sit there by now: what its forerunner counted is kept apart.
        if not isinstance(answer, PtingestError) and slot.channel is asked:
            slot.seen, slot.samples = answer, answer.samples

    def show(self) -> None:
        """Bring `metrics` up to what is known now, without asking."""
        own, crew = self._own, self._crew
        own.set("ptingest_worker_is_ready", 0 if self.readiness() else 1)
        own.set("ptingest_supervisor_running_workers", len(crew.running))
        parts = [slot.samples for slot in crew.slots]
        self.metrics.show(merge([own.samples(), crew.retired, *parts]))

    # -- what is shown ----------------------------------------------------------------------

    def readiness(self) -> list[str]:
        """Reasons why no new Beat should be sent here; empty when ready."""
        if self.draining:
            return ["draining: this process is stopping"]
        if self.listening is None:
            return ["not listening yet"]
        if not self._crew.running:
            ends = [slot.last_end for slot in self._crew.slots if slot.last_end]
            return [f"no worker is running{f': the last one {ends[0]}' if ends else ' yet'}"]
        said = {slot.number: slot.seen.readiness for slot in self._crew.running if slot.seen}
        return self.port_troubles(self._clock.monotonic()) + merge_reasons(said)

    def status(self) -> dict[str, object]:
        """One worker's shape, for all of them, and a row for each process.

        While all workers are being started again, what only they know is missing.
        """
        parts = [self._status_of(slot) for slot in self._crew.slots if slot.seen]
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

    def _status_of(self, slot: Slot) -> dict[str, object]:
        assert slot.seen is not None
        status: dict[str, Any] = orjson.loads(slot.seen.status)
        for row in status["beats"]["listed"]:
            row["worker"] = slot.number
        return status

    def books(self) -> Books:
        """As one worker's, workers that are gone included."""
        metrics = self.metrics
        received = {labels[0]: int(value) for labels, value in metrics.labelled(RECEIVED)}
        books: Books = {}
        for (sink, service), value in metrics.labelled(OUTSTANDING):
            row = books.setdefault(sink, {}).setdefault(
                service, {"received": received.get(service, 0), "in_flight": 0}
            )
            row["in_flight"] = int(value)
        for (sink, service, fate), value in metrics.labelled(SETTLED):
            row = books.setdefault(sink, {}).setdefault(
                service, {"received": received.get(service, 0), "in_flight": 0}
            )
            row[fate] = int(value)
        return balanced(books)

    def usage(self) -> Usage:
        """What all processes use together, those that are gone included."""
        pids = [slot.pid for slot in self._crew.slots if slot.pid is not None]
        return usage_of([os.getpid(), *pids])

    def rows(self) -> list[dict[str, object]]:
        """One row for each process, the supervisor apart."""
        now = self._clock.monotonic()
        return [self._row(slot, now) for slot in self._crew.slots]

    def _row(self, slot: Slot, now: float) -> dict[str, object]:
        lag = [s.values[0] for s in slot.samples if s.name == "ptingest_worker_loop_lag_seconds"]
        limits = self.settings.beats.limits
        workers = len(self._crew.slots)
        return {
            "worker": slot.number,
            "pid": slot.pid,
            "state": slot.state,
            "connections": len(slot.connections),
            "events_lately": slot.events_lately,
            "accepting": slot.is_accepting,
            "restarts": slot.restarts,
            "last_end": slot.last_end,
            "starts_in_seconds": (
                round(max(0.0, slot.next_start_at - now), 1) if slot.state == "waiting" else None
            ),
            "uptime_seconds": round(now - slot.started_at, 1) if slot.pid else None,
            "silent_seconds": round(now - slot.heard_at, 1) if slot.pid else None,
            "rss_bytes": None if slot.pid is None else usage_of([slot.pid]).memory_bytes or None,
            "loop_lag_seconds": lag[0] if lag else None,
            "limits": {
                "total_bytes": limits.total_bytes // workers,
                "connections_per_ip_behind_proxy": -(-limits.connections_per_ip // workers),
            },
        }

"""/readyz and /status of one worker."""

from __future__ import annotations

import logging
import os
import resource
import shlex
import socket
import uuid
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from ptingest.api.logstash import NodeFacts
from ptingest.server.assembly import HasFailureStore, HasOccupancy, Parts, sink_names, sink_settings
from ptingest.server.custody import ADDED, SETTLED
from ptingest.server.plugin_counts import PluginCounter
from ptingest.settings.logstash import USUAL_GROUP
from ptingest.settings.profile import GroupSettings
from ptingest.settings.profiles import Profile, groups_of
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


NO_BEATS_PORT = "no Beats port (role: index)"

Books = dict[str, dict[str, dict[str, int]]]
"""Sink -> service -> received, each fate, in flight, residue."""


def balanced(books: Books) -> Books:
    """Add the residue to each row: 0 when every event received is accounted for."""
    for rows in books.values():
        for row in rows.values():
            row["residue"] = 2 * row["received"] - sum(row.values())
    return books


class WorkerView:
    """Reads the parts of one worker; implements ``StatusView``."""

    def __init__(self, parts: Parts, *, owns_port: bool = True) -> None:
        """``owns_port``: it accepts connections itself, so readiness includes its port."""
        self._parts, self._owns_port = parts, owns_port
        self._started = parts.clock.monotonic()
        self._plugins = PluginCounter(parts.metrics)
        self.listening: str | None = None
        self.draining = False
        self.reloads: Callable[[], dict[str, object]] | None = None
        # Read once: it needs a file, and later there may be no descriptor left.
        self._version = version("ptingest")
        parts.metrics.set("ptingest_worker_info", 1, self._version)
        parts.metrics.set("ptingest_worker_start_time_seconds", parts.clock.time_ns() / 1e9)
        parts.metrics.before_scrape(self._refresh)

    async def refresh(self) -> None:
        """Nothing to do: a single process reads its own memory."""

    def readiness(self) -> list[str]:
        """Reasons why no new Beat should be sent here; empty when ready."""
        reasons = []
        if self.draining:
            reasons.append("draining: this process is stopping")
        elif self.listening is None:
            reasons.append("not listening yet")
        elif self._owns_port and self._parts.settings.has_beats_port:
            reasons += self._parts.source.troubles()
        if self._parts.buffer is not None:
            reasons += [f"buffer: {trouble}" for trouble in self._parts.buffer.troubles()]
        for source in self._parts.kafka:
            reasons += [f"source {source.name}: {trouble}" for trouble in source.troubles()]
        letters = self._parts.dead_letters.trouble
        if letters:
            reasons.append(f"dead letters: {letters}")
        reasons += [
            f"sink {sink.name}: {lane.status.trouble}"
            for sink, lane in zip(self._parts.sinks, self._parts.lanes, strict=True)
            if lane.status.trouble and lane.status.trouble != letters
        ]
        for sink, lane in zip(self._parts.sinks, self._parts.lanes, strict=True):
            reasons += [f"sink {sink.name}: {trouble}" for trouble in lane.status.stream_troubles]
        return reasons

    def books(self) -> Books:
        """Sink -> service -> received, each fate, in flight and the residue (0 when balanced)."""
        metrics = self._parts.metrics
        received = {
            labels[0]: int(value)
            for labels, value in metrics.labelled("ptingest_flow_received_events_total")
        }
        added = {labels: int(value) for labels, value in metrics.labelled(ADDED)}
        books: dict[str, dict[str, dict[str, int]]] = {}
        for sink, lane in zip(self._parts.sinks, self._parts.lanes, strict=True):
            in_lane = lane.status.outstanding_by_service()
            admitting = self._parts.flow.custody.of(sink.name)
            books[sink.name] = {
                service: {
                    "received": count + added.get((sink.name, service), 0),
                    "in_flight": in_lane.get(service, 0) + admitting[service],
                }
                for service, count in received.items()
            }
        for (sink_name, service, fate), value in metrics.labelled(SETTLED):
            books[sink_name].setdefault(service, {"received": 0, "in_flight": 0})[fate] = int(value)
        return balanced(books)

    def _refresh(self) -> None:
        metrics: Metrics = self._parts.metrics
        self._plugins.add(self._parts.processing.pipeline)
        metrics.set("ptingest_budget_outstanding_bytes", self._parts.budget.outstanding)
        metrics.set("ptingest_budget_limit_bytes", self._parts.budget.limit)  # SIGHUP moves it
        metrics.set("ptingest_worker_is_ready", 0 if self.readiness() else 1)
        for sink, services in self.books().items():
            for service, row in services.items():
                metrics.set("ptingest_lane_outstanding_events", row["in_flight"], sink, service)
                metrics.set("ptingest_flow_residue_events", row["residue"], sink, service)

    def status(self) -> dict[str, object]:
        """Return /status as JSON-ready values; no secrets, no event text."""
        parts = self._parts
        parts.metrics.refresh()
        return {
            "version": self._version,
            "pid": os.getpid(),
            "uptime_seconds": round(parts.clock.monotonic() - self._started, 1),
            "listening": self.listening,
            "draining": self.draining,
            "not_ready_because": self.readiness(),
            "books": self.books(),
            "budget": {
                "outstanding_bytes": parts.budget.outstanding,
                "large_bytes": parts.budget.large.outstanding,
                "limit_bytes": parts.budget.limit,
                "setting": "beats.limits.total_bytes (half)",
            },
            "role": parts.settings.role,
            "beats": parts.source.status(),
            "buffer": None if parts.buffer is None else parts.buffer.status(),
            "kafka": {source.name: source.status() for source in parts.kafka},
            "services": parts.observer.traffic.status(parts.clock.time_ns()),
            "lanes": {
                sink.name: lane.status.row()
                for sink, lane in zip(parts.sinks, parts.lanes, strict=True)
            },
            "store_file": _store_file(parts),
            "failure_store": _failure_store(parts),
            "dead_letters": _dead_letters(parts),
            "taps": parts.observer.taps.status(),
            "why": parts.observer.trace_buffer.status(),
            "certificates": parts.certificates.status(),
            "config": self.reloads() if self.reloads else None,
            "process": process_row(),
            "loop_lag_seconds": parts.metrics.value("ptingest_worker_loop_lag_seconds"),
        }


def _dead_letters(parts: Parts) -> dict[str, object]:
    letters, job = parts.dead_letters, parts.jobs.progress()
    return {
        "bytes": letters.bytes,
        "limit_bytes": parts.settings.dead_letters.max_bytes,
        "waiting": letters.waiting,
        "bytes_by_peer": letters.by_peer,
        "trouble": letters.trouble,
        "requeue_job": job,
        "errand": job,  # the name of this key in version 0.1
    }


def _store_file(parts: Parts) -> dict[str, object] | None:
    return next((sink.room() for sink in parts.sinks if isinstance(sink, HasOccupancy)), None)


def _failure_store(parts: Parts) -> dict[str, object]:
    """Documents in failure stores, by data stream."""
    found: dict[str, object] = {}
    for sink in parts.sinks:
        if isinstance(sink, HasFailureStore):
            found |= sink.failures()
    return found


def process_row(*, with_children: bool = False) -> dict[str, object]:
    """CPU time and memory of this process; ``with_children`` adds the CPU time of children
    that have ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    if with_children:
        gone = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds += gone.ru_utime + gone.ru_stime
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        memory = pages * resource.getpagesize()
    except OSError:  # no Linux: the maximum so far
        memory = used.ru_maxrss * 1024
    return {"cpu_seconds": round(seconds, 3), "memory_bytes": memory}


def node_facts(settings: ServerSettings, *, sinks: Sequence[str], workers: int = 1) -> NodeFacts:
    """The constant facts that Logstash's monitoring paths show of this node."""
    host = socket.gethostname()
    batch = sink_settings(settings)[0].batch
    where = f"{host}:{Path(settings.data_dir).absolute()}"
    return NodeFacts(
        name=host,
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"ptingest://{where}")),
        ephemeral_id=str(uuid.uuid4()),
        version=version("ptingest"),
        workers=workers,
        batch_size=batch.max_documents,
        batch_delay_ms=int(batch.max_age_seconds * 1000),
        # Secrets are masked in this text, so the digest reveals nothing of them.
        hash=sha256(repr(settings).encode()).hexdigest(),
        sinks=tuple(sinks),
        dead_letters_max_bytes=settings.dead_letters.max_bytes,
        dead_letters_when_full=settings.dead_letters.when_full,
    )


def log_start(
    settings: ServerSettings,
    *,
    listening: str | None,
    api_port: int,
    profile: Profile,
    sinks: Sequence[str] | None = None,
    workers: int = 1,
) -> None:
    """Log the addresses in use, and how to send a first event that the profile takes."""
    beats_port = str(listening).rpartition(":")[2]
    secured = " with TLS" if settings.beats.tls else ""
    many = f", {workers} workers" if workers > 1 else ""
    if settings.has_beats_port:
        log.info("listening for Beats on %s%s%s", listening, secured, many)
    for what in settings.kafka_sentences():
        log.info("%s", what)
    host = settings.api.listen.rpartition(":")[0]
    scheme = "https" if settings.api.tls else "http"
    log.info("health, metrics and status on %s://%s:%d", scheme, host, api_port)
    if settings.api.is_exposed:
        log.warning(
            "the console is closed: api.listen is %s, beyond this host, and api.token is not "
            "given; anyone who reaches the port may read /status",
            settings.api.listen,
        )
    else:
        log.info("console on %s://%s:%d/console/", scheme, host, api_port)
    names = sink_names(settings) if sinks is None else sinks
    if settings.writes_to_sinks:
        log.info("documents go to %s; data in %s", ", ".join(names), settings.data_dir)
    if settings.has_beats_port:
        _log_how_to_send(settings, beats_port, groups_of(profile))


def _log_how_to_send(
    settings: ServerSettings, beats_port: str, known: Sequence[GroupSettings]
) -> None:
    groups = [group.group for group in known]
    is_named = groups and USUAL_GROUP not in groups
    log.info(
        "send a first event: echo 'INFO|apps.parcels.views|2025-01-02T03:04:05Z|hello' > "
        "/tmp/hello.log && ptingest send /tmp/hello.log --service django%s --to 127.0.0.1:%s%s",
        f" --group {shlex.quote(groups[0])}" if is_named else "",
        beats_port,
        " --tls-ca FILE" if settings.beats.tls else "",
    )

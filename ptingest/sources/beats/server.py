"""The Beats port: admits connections, looks at their timers, and closes them gracefully.

    BeatsAcceptor       sockets: accepted or handed in, checked, through their handshake
    ConnectionRegistry  connections: how many, from where, what they do
    ReceiveBudget       which of them are read, and whether new ones are accepted

A connection that is not read gets keepalives nevertheless: a window that waits in the kernel is
seen there without being taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial

from ptingest.errors import ConnectionRejected
from ptingest.lumberjack.window import Limits
from ptingest.model.contracts import Admit, Checkpoint, Clock
from ptingest.model.origin import Origin, Sender
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.acceptor import BeatsAcceptor
from ptingest.sources.beats.connection import BeatsConnection
from ptingest.sources.beats.handshake import client_identity
from ptingest.sources.beats.inflate_permits import LARGE_BYTES, InflatePermits
from ptingest.sources.beats.receive_budget import ReceiveBudget
from ptingest.sources.beats.recorder import BeatsRecorder
from ptingest.sources.beats.registry import ConnectionRegistry, limit_reached
from ptingest.sources.beats.small_windows import SmallWindows
from ptingest.sources.proxy_protocol import Address
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
STRETCH_BYTES = 2 << 20
"""How much is inflated and cut between two checkpoints, 3 to 5 ms: most windows as a whole."""


class BeatsSource:
    """All connections of one port; the ``ConnectionHost`` of each. Implements ``Source``."""

    name = "beats"

    def __init__(
        self,
        settings: BeatsSettings,
        *,
        admit: Admit,
        sender_of: Callable[[bytes], Sender],
        permits: InflatePermits,
        checkpoint: Checkpoint,
        give_back: Callable[[], None],
        due_at: Callable[[str], float] = lambda _: -math.inf,
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        workers: int = 1,
    ) -> None:
        """``give_back`` drops the documents of failed windows from the lanes, ``due_at`` says when
        they would write a small window of a sender. ``workers``: how
        many processes share the limit for Beats behind one load balancer."""
        self.admit, self.sender_of = admit, sender_of
        self.permits, self.checkpoint = permits, checkpoint
        self.exclusive = asyncio.Lock()
        """Held by the connection that has, or is next to get, all inflate permits."""
        self.now = clock.monotonic
        self.small_windows = SmallWindows(due_at, now=self.now)
        self.draining = False
        self._give_back, self._clock, self._chance = give_back, clock, chance
        self._metrics, self._workers = metrics, workers
        self.recorder = BeatsRecorder(metrics)
        self.received = ReceiveBudget(settings.limits, now=self.now)
        self.received.on_pressure = self._pressure_changed
        self._connections = ConnectionRegistry()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()  # set whenever a connection has closed
        self.acceptor = BeatsAcceptor(
            make=self._make,
            registry=self._connections,
            recorder=self.recorder,
            tls=tls,
            metrics=metrics,
        )
        self.change_settings(settings)
        metrics.before_scrape(self._refresh)

    def change_settings(self, settings: BeatsSettings) -> None:
        """Put timers and limits in force, for open connections too; ``listen`` is read once.

        Limits of frames and windows, and the access policy, hold for connections
        opened later.
        """
        self.settings = settings
        self.acceptor.change_settings(settings)
        self.received.change_limits(settings.limits)
        self._wire_limits = Limits(
            window_events=settings.limits.window_events,
            frame_bytes=settings.limits.frame_bytes,
            window_bytes=settings.limits.window_bytes,
            pairs=settings.limits.pairs,
            stretch_bytes=STRETCH_BYTES,
            large_bytes=LARGE_BYTES,
        )

    # -- running and stopping ------------------------------------------------------------

    def listen(self) -> tuple[str, int]:
        """Bind and listen; return the address bound. Raises OSError where that fails."""
        return self.acceptor.listen(self.settings.listen)

    async def run(self) -> None:
        """Accept and tick until cancelled or ``stop_accepting``; errors propagate.

        Without ``listen`` before, connections come by ``acceptor.adopt`` only.
        """
        async with asyncio.TaskGroup() as group:
            self.acceptor.start(group)
            group.create_task(self._tick(), name="beats ticker")

    async def _tick(self) -> None:
        interval = min(TICK_SECONDS, self.settings.keepalive_seconds / 4)
        while True:
            await asyncio.sleep(interval)
            now = self.now()
            for connection in self._connections:
                self._guard(connection, partial(connection.tick, now))
            self.received.tick()

    def _guard(self, connection: BeatsConnection, act: Callable[[], None]) -> None:
        """Call ``act``; an exception ends this connection only."""
        try:
            act()
        except Exception as error:
            log.error("%s: failed, it is over", connection.peer, exc_info=error)
            connection.abandon()

    def stop_accepting(self) -> None:
        """First step of a stop: nothing is accepted any more."""
        self.acceptor.stop()

    def stop_reading(self) -> None:
        """Second step: no further window is opened; what came in so far is finished."""
        self.draining = True
        self.received.stop_reading()

    async def finish_admitting(self, deadline: float) -> None:
        """Third step: wait until every window begun is in the lanes, or ``deadline``."""
        waiting = {task for task in self._tasks if not task.done()}
        for connection in self._connections:
            connection.reader.wake()
        if waiting:
            await asyncio.wait(waiting, timeout=max(0.0, deadline - self.now()))
        for task in self._tasks:
            task.cancel()

    async def close(self, deadline: float) -> None:
        """Last step: earned acks are out; FIN to every peer, until ``deadline``."""
        for connection in self._connections:
            self._guard(connection, partial(connection.close_now, "shutdown"))
        while self._connections and self.now() < deadline:
            self._closed.clear()
            for connection in self._connections:
                self._guard(connection, partial(connection.tick, self.now()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._closed.wait()
        for connection in self._connections:
            connection.abandon()

    # -- what a connection asks: see ConnectionHost --------------------------------------

    def _make(self, address: Address, accepted: socket.socket) -> BeatsConnection:
        hold_factor = 1.0 + self._chance.random() / 10
        return BeatsConnection(self, self._wire_limits, address, accepted, hold_factor=hold_factor)

    def register(self, connection: BeatsConnection) -> bool:
        """Admit a connection, or close it at once because of a limit or its certificate."""
        if not self._has_room_for(connection) or not self._is_identified(connection):
            return False
        self.recorder.accepted()
        self._connections.add(connection)
        self.received.join(connection)
        return True

    def _has_room_for(self, connection: BeatsConnection) -> bool:
        direct = connection.transport.get_extra_info("peername")
        is_proxied = direct is not None and self.acceptor.policy.is_proxy(str(direct[0]))
        refused = limit_reached(
            self.settings.limits,
            connections=len(self._connections),
            from_address=self._connections.count_from(connection.ip),
            workers=self._workers if is_proxied else 1,
        )
        if refused:
            self.recorder.rejected(connection.peer, *refused)
            connection.transport.close()
        return not refused

    def _is_identified(self, connection: BeatsConnection) -> bool:
        """Take its identity from its TLS session; False where that is not allowed."""
        if connection.session is None:
            return True
        try:
            now = self._clock.time_ns() / 1e9
            identity = client_identity(self.acceptor.policy, connection.session, now=now)
        except ConnectionRejected as rejection:
            self.acceptor.note_rejected(connection.address, rejection)
            connection.transport.abort()
            return False
        connection.origin = Origin(
            connection.peer, tls_subject=identity.subject, may_send=identity.may_send
        )
        return True

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run the task that serves a connection."""
        task = asyncio.get_running_loop().create_task(work, name="beats connection")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection's task failed; its windows go unacked", exc_info=error)
            for connection in self._connections:
                if connection.is_served_by(task):
                    connection.close_now("internal_error")

    def window_failed(self, peer: str, reason: str) -> None:
        self.recorder.window_failed(peer, reason)
        self._give_back()

    def forget(self, connection: BeatsConnection) -> None:
        self._connections.remove(connection, self.now())
        self.received.leave(connection)
        reason = connection.lifecycle.reason or ""
        self.recorder.closed(connection.peer, reason, connection.counts, self.now())
        self._closed.set()

    def socket_closed(self, accepted: socket.socket) -> None:
        self.acceptor.socket_closed(accepted)

    # -- pressure and numbers ------------------------------------------------------------

    def _pressure_changed(self) -> None:
        """The receive budget fills or empties."""
        self.acceptor.set_open(not self.received.pressure, self.now())

    def troubles(self) -> list[str]:
        """Why no new Beat is accepted, a sentence each; empty where one is."""
        return self.acceptor.troubles.reported(
            self.now(),
            why=f"{self.received.held_bytes} bytes wait of {self.received.limit_bytes} "
            "(half of beats.limits.total_bytes)",
            connections=self.acceptor.load,
            limit=self.settings.limits.connections,
        )

    def _refresh(self) -> None:
        metrics, since = self._metrics, self._connections.oldest_held_since
        metrics.set("ptingest_beats_open_connections", len(self._connections))
        metrics.set("ptingest_beats_waiting_bytes", self.received.held_bytes)
        metrics.set("ptingest_beats_open_windows", self._connections.open_windows)
        oldest_seconds = 0.0 if since is None else self.now() - since
        metrics.set("ptingest_beats_oldest_window_seconds", oldest_seconds)

    def status(self) -> dict[str, object]:
        """The part of /status about connections; the oldest are listed."""
        return {
            "connections": len(self._connections),
            "connections_limit": self.settings.limits.connections,
            "waiting_bytes": self.received.held_bytes,
            "waiting_bytes_limit": self.received.limit_bytes,
            "accepting": self.acceptor.is_open,
            "arriving": self.acceptor.handshakes,
            "listed": self._connections.rows(self.now()),
            "closed": self._connections.closed_rows(self.now()),
        }

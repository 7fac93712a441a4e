"""The Beats port: listen, admit connections, keep them alive, end them with manners.

Who is accepted and who is read is decided by the ``ReceiveBudget``. Who is not read gets
keepalives all the same: a window that waits in the kernel is seen there without being taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial

from ptingest.errors import ConnectionRejected, ProtocolError
from ptingest.lumberjack.window import Limits
from ptingest.model.contracts import Admit, Checkpoint, Clock
from ptingest.model.origin import Origin, Sender
from ptingest.model.receipt import Receipt
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.connection import BeatsConnection
from ptingest.sources.beats.handshake import Handshakes, access_policy, client_identity
from ptingest.sources.beats.inflate_permits import LARGE_BYTES, InflatePermits
from ptingest.sources.beats.receive_budget import ReceiveBudget
from ptingest.sources.port import PortTroubles, converse, open_port, prepare
from ptingest.sources.proxy_protocol import Address
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
STRETCH_BYTES = 2 << 20
"""So much is inflated and cut at a stretch, 3 to 5 ms: nearly every window as a whole."""


class BeatsSource:
    """All connections of one listening socket."""

    def __init__(
        self,
        settings: BeatsSettings,
        *,
        admit: Admit,
        sender_of: Callable[[bytes], Sender],
        permits: InflatePermits,
        checkpoint: Checkpoint,
        give_back: Callable[[], None],
        metrics: Metrics,
        clock: Clock,
        chance: random.Random,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        workers: int = 1,
    ) -> None:
        """``workers``: how many share the limit for Beats behind one load balancer."""
        self.admit, self.permits, self.checkpoint = admit, permits, checkpoint
        self._sender_of = sender_of
        self.exclusive = asyncio.Lock()
        """Held by the connection that has, or is next to get, all inflate permits."""
        self._give_back = give_back
        self.draining = False
        self._metrics, self._clock, self._chance = metrics, clock, chance
        self.received = ReceiveBudget(settings.limits, now=self.now)
        self.received.on_level = self._level_changed
        self._port_troubles = PortTroubles()
        self._connections: dict[BeatsConnection, float] = {}
        self._senders: dict[BeatsConnection, Sender] = {}
        self._per_ip: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting, self._gone = asyncio.Event(), asyncio.Event()
        self._accepting.set()
        self._socket: socket.socket | None = None
        self._accept_task: asyncio.Task[None] | None = None
        self._handed: dict[socket.socket, Callable[[], None]] = {}
        self._workers, self._is_stopped = workers, False
        self.on_accepting: Callable[[], None] = lambda: None
        """Called when ``is_accepting`` has changed."""
        self._handshakes = Handshakes(tls=tls, make=self._make, left=self.left, metrics=metrics)
        self.change_settings(settings)
        metrics.before_scrape(self._refresh)

    def change_settings(self, settings: BeatsSettings) -> None:
        """Put timers and limits in force, for open connections too; ``listen`` is read once.

        What the wire itself bounds (frames, windows) and who may come in holds for
        connections opened later.
        """
        self.settings = settings
        self._handshakes.policy = access_policy(settings)
        self.received.change_limits(settings.limits)
        self._wire_limits = Limits(
            window_events=settings.limits.window_events,
            frame_bytes=settings.limits.frame_bytes,
            window_bytes=settings.limits.window_bytes,
            pairs=settings.limits.pairs,
            stretch_bytes=STRETCH_BYTES,
            large_bytes=LARGE_BYTES,
        )

    # -- life ----------------------------------------------------------------------------

    def listen(self) -> tuple[str, int]:
        """Bind and listen; returns the address really used. OSError naming it where it is taken."""
        listener = open_port(self.settings.listen)
        self._socket = listener
        name = listener.getsockname()
        return str(name[0]), int(name[1])

    async def run(self) -> None:
        """Accept and tick until cancelled or ``stop_accepting``; errors propagate.

        Without ``listen`` before, connections come by ``adopt`` only.
        """
        async with asyncio.TaskGroup() as group:
            if self._socket is not None:
                self._accept_task = group.create_task(self._accept(), name="beats accept")
            group.create_task(self._tick(), name="beats ticker")

    async def _accept(self) -> None:
        listener = self._socket
        assert listener is not None
        while True:
            await self._accepting.wait()
            try:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:  # out of file descriptors, as a rule
                log.error("cannot accept a connection: %s; trying again in 1 s", error)
                self._port_troubles.accept_error = str(error)
                await asyncio.sleep(1)
                continue
            self._port_troubles.accept_error = None
            await self._welcome(accepted)

    @property
    def is_accepting(self) -> bool:
        """Whether somebody new may come in now."""
        return self._accepting.is_set()

    @property
    def load(self) -> int:
        """Connections open, or on their way in."""
        return len(self._connections) + len(self._handshakes)

    async def adopt(self, accepted: socket.socket, left: Callable[[], None]) -> None:
        """Take a socket that another process accepted; ``left`` is called once when its
        connection is over, however it ends."""
        self._handed[accepted] = left
        if self._is_stopped:
            accepted.close()
            self.left(accepted)
        else:
            await self._welcome(accepted)

    def left(self, accepted: socket.socket) -> None:
        """The connection on this socket is over; whoever handed it in hears of it."""
        self._handed.pop(accepted, _nobody)()

    async def _welcome(self, accepted: socket.socket) -> None:
        try:
            name = accepted.getpeername()
            prepare(accepted)
            direct = Address(str(name[0]), int(name[1]))
            if self._handshakes.is_needed:
                self._begin_handshake(accepted, direct)
                return
            await converse(lambda: self._make(direct, accepted), accepted)
        except OSError as error:  # gone between accept and here
            accepted.close()
            self.left(accepted)
            log.debug("connection lost before it began: %s", error)

    def _make(self, address: Address, accepted: socket.socket) -> BeatsConnection:
        return BeatsConnection(self, self._wire_limits, address, accepted)

    def _begin_handshake(self, accepted: socket.socket, direct: Address) -> None:
        """Begin what comes before the first frame; it counts as an open connection."""
        handshakes = self._handshakes
        is_proxy = handshakes.policy.is_proxy(direct.ip)
        if refused := self._limit_reached(
            len(self._connections) + len(handshakes),
            # A load balancer is not one Beat: whom it names is counted when we know it.
            0 if is_proxy else self._per_ip[direct.ip] + handshakes.count_from(direct.ip),
        ):
            accepted.close()
            self.left(accepted)
            self._note_refused(f"{direct.ip}:{direct.port}", *refused)
            return
        handshakes.begin(accepted, direct)

    async def _tick(self) -> None:
        interval = min(TICK_SECONDS, self.settings.keepalive_seconds / 4)
        while True:
            await asyncio.sleep(interval)
            now = self.now()
            for connection in list(self._connections):
                self._attend(connection, partial(connection.tick, now))
            self.received.tick()

    def _attend(self, connection: BeatsConnection, act: Callable[[], None]) -> None:
        """Do something with one connection; what is wrong with it does not end the others."""
        try:
            act()
        except Exception as error:
            log.error("%s: failed, it is over", connection.peer, exc_info=error)
            connection.abandon()

    def stop_accepting(self) -> None:
        """First step of a stop: nobody new comes in."""
        self._is_stopped = True
        self._accepting.clear()
        self._handshakes.cancel()
        if self._accept_task is not None:
            self._accept_task.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def stop_reading(self) -> None:
        """Second step: no further window is opened; what came in so far is finished."""
        self.draining = True
        self.received.stop_reading()

    async def finish_admitting(self, deadline: float) -> None:
        """Third step: wait until every window begun is in the lanes, or ``deadline``."""
        waiting = {task for task in self._tasks if not task.done()}
        for connection in self._connections:
            connection.wake()
        if waiting:
            await asyncio.wait(waiting, timeout=max(0.0, deadline - self.now()))
        for task in self._tasks:
            task.cancel()

    async def close(self, deadline: float) -> None:
        """Last step: earned acks are out; FIN to everybody, bounded by ``deadline``."""
        for connection in list(self._connections):
            self._attend(connection, partial(connection.close_now, "shutdown"))
        while self._connections and self.now() < deadline:
            self._gone.clear()
            for connection in list(self._connections):
                self._attend(connection, partial(connection.tick, self.now()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._gone.wait()
        for connection in list(self._connections):
            connection.abandon()

    # -- what a connection tells ---------------------------------------------------------

    def now(self) -> float:
        return self._clock.monotonic()

    def hold_jitter(self, connection: BeatsConnection) -> float:
        """Hold times are stretched by up to a tenth, so that Beats do not return at once."""
        return self._connections.get(connection, 1.0)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="beats connection")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection's task failed; its windows go unacked", exc_info=error)
            for connection in list(self._connections):
                if connection.is_served_by(task):
                    connection.close_now("internal_error")

    def register(self, connection: BeatsConnection) -> bool:
        """Admit a connection, or close it at once because of a limit or its certificate."""
        per_ip = self._per_ip[connection.ip]
        share = self._workers if self._is_named_by_proxy(connection) else 1
        if refused := self._limit_reached(len(self._connections), per_ip, share):
            self._note_refused(connection.peer, *refused)
            connection.transport.close()
            return False
        if connection.session is not None:
            try:
                now = self._clock.time_ns() / 1e9
                identity = client_identity(self._handshakes.policy, connection.session, now=now)
            except ConnectionRejected as refusal:
                self._handshakes.note(connection.address, refusal)
                connection.transport.abort()
                return False
            connection.origin = Origin(
                connection.peer, tls_subject=identity.subject, may_send=identity.may_send
            )
        self._metrics.add("ptingest_beats_accepted_connections_total")
        self._connections[connection] = 1.0 + self._chance.random() / 10
        self.received.join(connection)
        self._per_ip[connection.ip] += 1
        return True

    def _is_named_by_proxy(self, connection: BeatsConnection) -> bool:
        direct = connection.transport.get_extra_info("peername")
        return direct is not None and self._handshakes.policy.is_proxy(str(direct[0]))

    def _limit_reached(
        self, all_together: int, from_one: int, share: int = 1
    ) -> tuple[str, str] | None:
        limits = self.settings.limits
        if all_together >= limits.connections:
            return "connections", f"beats.limits.connections is {limits.connections}"
        # Whom a load balancer names is known here only, so each worker has its share of these.
        if from_one >= -(-limits.connections_per_ip // share):
            setting = f"beats.limits.connections_per_ip is {limits.connections_per_ip}"
            if share > 1:
                setting += f", shared by {share} workers behind a load balancer"
            return "connections_per_ip", setting
        return None

    def _note_refused(self, peer: str, reason: str, setting: str) -> None:
        self._metrics.add("ptingest_beats_rejected_connections_total", 1, reason)
        log.warning("%s: connection refused, %s", peer, setting)

    def forget(self, connection: BeatsConnection, reason: str) -> None:
        """A connection is gone; its row in the books closes."""
        self._connections.pop(connection, None)
        self._senders.pop(connection, None)
        self.received.leave(connection)
        self._per_ip[connection.ip] -= 1
        if self._per_ip[connection.ip] <= 0:
            del self._per_ip[connection.ip]
        self._metrics.add("ptingest_beats_closed_connections_total", 1, reason)
        self._metrics.add("ptingest_beats_received_bytes_total", connection.bytes)
        # A port probe sends nothing and is nobody's concern.
        log.log(
            logging.INFO if connection.bytes else logging.DEBUG,
            "%s: closed (%s) after %.0f s, %d windows, %d events, %d bytes",
            connection.peer,
            reason,
            self.now() - connection.accepted_at,
            connection.windows,
            connection.events,
            connection.bytes,
        )
        self._gone.set()

    def protocol_error(self, connection: BeatsConnection, error: ProtocolError) -> None:
        self._metrics.add("ptingest_beats_protocol_errors_total", 1, error.reason)
        # The reason (of a fixed set) in the template: one peer that breaks one rule over and
        # over must not hide what is wrong with another.
        log.warning(f"%s: {error.reason}: %s", connection.peer, error)

    def note_closed_by_us(self, connection: BeatsConnection, why: str) -> None:
        level = logging.WARNING if connection.bytes else logging.DEBUG
        log.log(level, "%s: closing, %s", connection.peer, why)

    def admit_from(
        self, connection: BeatsConnection, payloads: Sequence[bytes], receipt: Receipt
    ) -> Awaitable[None]:
        """Hand a part of a window to the flow; its first one ever tells which Beat sends."""
        if connection not in self._senders:
            self._senders[connection] = self._sender_of(payloads[0])
        return self.admit(payloads, receipt, connection.origin)

    def window_complete(self, events: int, odd: Sequence[str]) -> None:
        self._metrics.add("ptingest_beats_windows_total")
        self._metrics.observe("ptingest_beats_window_events", events)
        for what in odd:
            self._metrics.add("ptingest_beats_odd_windows_total", 1, what)

    def window_failed(self, connection: BeatsConnection, reason: str) -> None:
        label = "connection_closed" if reason.startswith("connection closed") else "not_safe"
        self._metrics.add("ptingest_beats_failed_windows_total", 1, label)
        if label == "not_safe":
            log.warning(
                "%s: a window is not acked, the Beat will resend: %s", connection.peer, reason
            )
        self._give_back()

    def acked(self, seconds: float) -> None:
        self._metrics.add("ptingest_beats_acks_total")
        self._metrics.observe("ptingest_beats_ack_seconds", seconds)

    def kept_alive(self) -> None:
        self._metrics.add("ptingest_beats_keepalives_total")

    # -- who may come in -----------------------------------------------------------------

    def _level_changed(self) -> None:
        """The receive budget fills or empties."""
        was_accepting = self.is_accepting
        if self.received.level:
            self._accepting.clear()
            self._port_troubles.refuse(self.now())
        elif not self._is_stopped:
            self._accepting.set()
            self._port_troubles.take()
        if self.is_accepting != was_accepting:
            self.on_accepting()

    def troubles(self) -> list[str]:
        """Why no new Beat comes in, for whoever asks whether we are ready; empty where one does."""
        return self._port_troubles.told(
            self.now(),
            why=f"{self.received.held_bytes} bytes wait of {self.received.limit_bytes} "
            "(half of beats.limits.total_bytes)",
            connections=self.load,
            limit=self.settings.limits.connections,
        )

    # -- numbers -------------------------------------------------------------------------

    def _refresh(self) -> None:
        now, metrics = self.now(), self._metrics
        metrics.set("ptingest_beats_open_connections", len(self._connections))
        metrics.set("ptingest_beats_waiting_bytes", self.received.held_bytes)
        held = [at for c in self._connections if (at := c.held_since) is not None]
        metrics.set("ptingest_beats_open_windows", sum(c.open_windows for c in self._connections))
        metrics.set("ptingest_beats_oldest_window_seconds", now - min(held) if held else 0.0)

    def status(self) -> dict[str, object]:
        """The part of /status that speaks of connections; the fifty oldest are listed."""
        now = self.now()
        rows = [
            {
                "peer": c.peer,
                "tls_subject": c.origin.tls_subject,
                **self._senders.get(c, Sender())._asdict(),
                "seconds": round(now - c.accepted_at, 1),
                "windows": c.windows,
                "events": c.events,
                "bytes": c.bytes,
                "largest_window": c.largest_window,
                "compresses": c.compresses,
                "pipelines": c.pipelines,
                "open_windows": c.open_windows,
                "oldest_seconds": None
                if (since := c.held_since) is None
                else round(now - since, 1),
                "waiting_bytes": c.waiting_bytes,
                "reading": c.reading,
                "held_seconds": 0.0 if c.held_since is None else round(now - c.held_since, 1),
            }
            for c in list(self._connections)[:50]
        ]
        return {
            "connections": len(self._connections),
            "connections_limit": self.settings.limits.connections,
            "waiting_bytes": self.received.held_bytes,
            "waiting_bytes_limit": self.received.limit_bytes,
            "accepting": self._accepting.is_set(),
            "arriving": len(self._handshakes),
            "listed": rows,
        }


def _nobody() -> None:
    """Who accepted the socket itself need not be told."""

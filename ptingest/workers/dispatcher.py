"""The connection dispatcher: accepts on the Beats port and passes each socket to a worker.

    accept --limits--> the least loaded worker --descriptor--> there the PROXY header is read
                                                              and TLS is set up

Limits that need no byte of the connection are enforced here, for all workers together:
``connections``, and ``connections_per_ip`` by direct address. Addresses that a load balancer
reports are known in the workers only, so each worker has a share of that limit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket

from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.handshake import Networks
from ptingest.sources.beats.registry import limit_reached
from ptingest.sources.port import PortTroubles, open_port
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.fd_passing import send_socket
from ptingest.workers.pool import PoolWorker, WorkerPool

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.05
"""Pause after all workers refused a socket although one was ready to take it."""


class Dispatcher:
    """Owns the listening socket; built once, `run` until `stop`."""

    def __init__(self, settings: BeatsSettings, *, pool: WorkerPool, metrics: Metrics) -> None:
        self._pool, self._metrics = pool, metrics
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._port_troubles = PortTroubles()
        self.change_settings(settings)

    def change_settings(self, settings: BeatsSettings) -> None:
        """Put limits in force for connections accepted from now on."""
        self.limits = settings.limits
        self._proxies = Networks(settings.proxy_protocol_from)

    def listen(self, listen: str) -> tuple[str, int]:
        """Bind and return the address in use; an OSError names an address that is taken."""
        self._socket = open_port(listen)
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    async def run(self) -> None:
        """Accept and dispatch until `stop`; errors propagate."""
        listener = self._socket
        if listener is None:  # stopped before it began
            return
        self._accepting = asyncio.create_task(self._accept(listener), name="beats accept")
        await asyncio.wait([self._accepting])
        if not self._accepting.cancelled():
            self._accepting.result()

    def stop(self) -> None:
        """Accept no more connections."""
        if self._accepting is not None:
            self._accepting.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # While no worker accepts, a connection waits unaccepted in the kernel.
            await self._until_one_accepts()
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, as a rule
                log.error("cannot accept a connection: %s; trying again in 1 s", error)
                self._port_troubles.accept_error = str(error)
                await asyncio.sleep(1)
                continue
            self._port_troubles.accept_error = None
            with accepted:  # a worker has its own copy of the descriptor, if one took it
                await self._dispatch(accepted)

    async def _dispatch(self, accepted: socket.socket) -> None:
        try:
            address = accepted.getpeername()
        except OSError:  # closed since it was accepted
            return
        ip = str(address[0])
        counted = "" if ip in self._proxies else ip
        from_address = self._from(counted) if counted else 0
        refused = limit_reached(self.limits, connections=self.count, from_address=from_address)
        if refused is not None:
            reason, setting = refused
            self._metrics.add("ptingest_beats_rejected_connections_total", 1, reason)
            log.warning("%s:%d: connection refused, %s", ip, address[1], setting)
            return
        number = next(self._numbers)
        while not self._pass_to_worker(accepted, number, counted):
            await asyncio.sleep(RETRY_SECONDS)
            await self._until_one_accepts()

    def troubles(self, now: float) -> list[str]:
        """Reasons why no new Beat is accepted, empty where one is; call it every few seconds."""
        if any(worker.accepts for worker in self._pool.workers):
            self._port_troubles.take()
        else:
            self._port_troubles.refuse(now)
        return self._port_troubles.reported(
            now,
            why="no worker takes connections now",
            connections=self.count,
            limit=self.limits.connections,
        )

    @property
    def count(self) -> int:
        """Connections open in all workers."""
        return sum(len(worker.connections) for worker in self._pool.workers)

    def _from(self, ip: str) -> int:
        return sum(worker.per_ip[ip] for worker in self._pool.workers)

    def _pass_to_worker(self, accepted: socket.socket, number: int, counted: str) -> bool:
        """Pass a socket to the least loaded worker; False when no worker takes it now."""
        for worker in sorted((s for s in self._pool.workers if s.accepts), key=by_load):
            assert worker.pair is not None
            try:
                was_sent = send_socket(worker.pair, accepted, number)
            except OSError as error:
                log.debug("%s takes no connection: %s", worker.name, error)
                continue
            if was_sent:
                worker.take(number, counted)
                self._metrics.add(
                    "ptingest_supervisor_handed_connections_total", 1, str(worker.number)
                )
                return True
        return False

    async def _until_one_accepts(self) -> None:
        pool = self._pool
        while not any(worker.accepts for worker in pool.workers):
            pool.changed.clear()
            await pool.changed.wait()


def by_load(worker: PoolWorker) -> tuple[int, int, int]:
    """Sort key for the least loaded worker: open connections, then recent events."""
    return len(worker.connections), worker.events_lately, worker.number

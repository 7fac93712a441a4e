"""The Beats port of several workers: accepts, counts, and hands each socket to one of them.

    accept --limits--> the least loaded worker --descriptor--> there it is prepared, and
                                                              its header and TLS are read

What can be counted before a byte is read is counted here, for all workers together:
``connections``, and ``connections_per_ip`` by direct address. Whom a load balancer names is
known in the workers only, so there each has a share of that limit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket

from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.handshake import Networks
from ptingest.sources.port import PortTroubles, open_port
from ptingest.telemetry.metrics import Metrics
from ptingest.workers.fd_passing import hand_over
from ptingest.workers.pool import Crew, Slot

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.05
"""When no worker takes a socket although one should."""


class Doorkeeper:
    """Owns the listening socket; built once, `run` until `stop`."""

    def __init__(self, settings: BeatsSettings, *, crew: Crew, metrics: Metrics) -> None:
        self._crew, self._metrics = crew, metrics
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
        """Bind; returns the address really used. OSError naming it where it is taken."""
        self._socket = open_port(listen)
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    async def run(self) -> None:
        """Accept and hand over until `stop`; errors propagate."""
        listener = self._socket
        if listener is None:  # told to stop before it began
            return
        self._accepting = asyncio.create_task(self._accept(listener), name="beats accept")
        await asyncio.wait([self._accepting])
        if not self._accepting.cancelled():
            self._accepting.result()

    def stop(self) -> None:
        """Nobody new comes in."""
        if self._accepting is not None:
            self._accepting.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # While nobody may take it, a connection waits in the kernel, unaccepted.
            await self._until_one_may_take()
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, as a rule
                log.error("cannot accept a connection: %s; trying again in 1 s", error)
                self._port_troubles.accept_error = str(error)
                await asyncio.sleep(1)
                continue
            self._port_troubles.accept_error = None
            with accepted:  # a worker has its own copy, or nobody has
                await self._hand_over(accepted)

    async def _hand_over(self, accepted: socket.socket) -> None:
        try:
            address = accepted.getpeername()
        except OSError:  # gone between accept and here
            return
        ip = str(address[0])
        counted = "" if ip in self._proxies else ip
        if refused := self._limit_reached(counted):
            reason, setting = refused
            self._metrics.add("ptingest_beats_rejected_connections_total", 1, reason)
            log.warning("%s:%d: connection refused, %s", ip, address[1], setting)
            return
        number = next(self._numbers)
        while not self._give(accepted, number, counted):
            await asyncio.sleep(RETRY_SECONDS)
            await self._until_one_may_take()

    def _limit_reached(self, ip: str) -> tuple[str, str] | None:
        limits = self.limits
        if self.count >= limits.connections:
            return "connections", f"beats.limits.connections is {limits.connections}"
        if ip and self._from(ip) >= limits.connections_per_ip:
            setting = f"beats.limits.connections_per_ip is {limits.connections_per_ip}"
            return "connections_per_ip", setting
        return None

    def troubles(self, now: float) -> list[str]:
        """Why no new Beat comes in; empty where one does. To be asked every few seconds."""
        if any(slot.may_take for slot in self._crew.slots):
            self._port_troubles.take()
        else:
            self._port_troubles.refuse(now)
        return self._port_troubles.told(
            now,
            why="no worker takes connections now",
            connections=self.count,
            limit=self.limits.connections,
        )

    @property
    def count(self) -> int:
        """Connections open in all workers."""
        return sum(len(slot.connections) for slot in self._crew.slots)

    def _from(self, ip: str) -> int:
        return sum(slot.per_ip[ip] for slot in self._crew.slots)

    def _give(self, accepted: socket.socket, number: int, counted: str) -> bool:
        """Hand a socket to whom it suits best; False when nobody takes it now."""
        for slot in sorted((s for s in self._crew.slots if s.may_take), key=by_load):
            assert slot.pair is not None
            try:
                is_given = hand_over(slot.pair, accepted, number)
            except OSError as error:
                log.debug("%s takes no connection: %s", slot.name, error)
                continue
            if is_given:
                slot.take(number, counted)
                self._metrics.add(
                    "ptingest_supervisor_handed_connections_total", 1, str(slot.number)
                )
                return True
        return False

    async def _until_one_may_take(self) -> None:
        crew = self._crew
        while not any(slot.may_take for slot in crew.slots):
            crew.changed.clear()
            await crew.changed.wait()


def by_load(slot: Slot) -> tuple[int, int, int]:
    """The least loaded first: open connections, then events lately."""
    return len(slot.connections), slot.events_lately, slot.number

"""How sockets come to a Beats port: accepted here, or handed in by another process.

accept ----> first checks: limits by address ----> handshake, where one is configured
adopt  --/                                   \\--> conversation
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from ptingest.errors import ConnectionRejected
from ptingest.settings.beats import BeatsLimits, BeatsSettings
from ptingest.sources.beats.handshake import BeatsAccessPolicy, Handshakes, access_policy
from ptingest.sources.beats.recorder import BeatsRecorder
from ptingest.sources.beats.registry import ConnectionRegistry, limit_reached
from ptingest.sources.port import PortTroubles, converse, open_port, prepare
from ptingest.sources.proxy_protocol import Address
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class BeatsAcceptor:
    """The listening socket, and every socket that is not a registered connection yet."""

    def __init__(
        self,
        *,
        make: Callable[[Address, socket.socket], asyncio.Protocol],
        registry: ConnectionRegistry,
        recorder: BeatsRecorder,
        tls: Callable[[], ssl.SSLContext | None],
        metrics: Metrics,
    ) -> None:
        self._make, self._registry, self._recorder = make, registry, recorder
        self._handshakes = Handshakes(
            tls=tls, make=make, on_failed=self.socket_closed, metrics=metrics
        )
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._adopted: dict[socket.socket, Callable[[], None]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._is_stopped = False
        self._limits: BeatsLimits
        self.troubles = PortTroubles()
        self.on_change: Callable[[], None] = lambda: None
        """Called when ``is_open`` has changed."""

    def change_settings(self, settings: BeatsSettings) -> None:
        self._limits = settings.limits
        self._handshakes.policy = access_policy(settings)

    @property
    def policy(self) -> BeatsAccessPolicy:
        return self._handshakes.policy

    @property
    def is_open(self) -> bool:
        """Whether a new connection is accepted now."""
        return self._open.is_set()

    @property
    def handshakes(self) -> int:
        """Sockets in their handshake."""
        return len(self._handshakes)

    @property
    def load(self) -> int:
        """Connections open or in their handshake."""
        return len(self._registry) + len(self._handshakes)

    # -- accepting -----------------------------------------------------------------------

    def listen(self, address: str) -> tuple[str, int]:
        """Bind and listen; return the address bound. Raises OSError where that fails."""
        self._socket = open_port(address)
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin to accept, where ``listen`` was called."""
        if self._socket is not None:
            self._task = group.create_task(self._accept(self._socket), name="beats accept")

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            await self._open.wait()
            try:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:  # out of file descriptors, as a rule
                log.error("cannot accept a connection: %s; trying again in 1 s", error)
                self.troubles.accept_error = str(error)
                await asyncio.sleep(1)
                continue
            self.troubles.accept_error = None
            await self._welcome(accepted)

    async def adopt(self, accepted: socket.socket, on_closed: Callable[[], None]) -> None:
        """Take a socket that another process accepted; ``on_closed`` is called once when its
        connection is over, however it ends."""
        self._adopted[accepted] = on_closed
        if self._is_stopped:
            self._close(accepted)
        else:
            await self._welcome(accepted)

    async def _welcome(self, accepted: socket.socket) -> None:
        try:
            name = accepted.getpeername()
            prepare(accepted)
            direct = Address(str(name[0]), int(name[1]))
            if not self._handshakes.is_needed:
                await converse(lambda: self._make(direct, accepted), accepted)
            elif self._has_room_for(direct):
                self._handshakes.begin(accepted, direct)
            else:
                self._close(accepted)
        except OSError as error:  # closed between accept and here
            self._close(accepted)
            log.debug("connection lost before it began: %s", error)

    def _has_room_for(self, direct: Address) -> bool:
        """Whether one more handshake may begin; each counts as an open connection."""
        from_address = self._registry.count_from(direct.ip) + self._handshakes.count_from(direct.ip)
        refused = limit_reached(
            self._limits,
            connections=self.load,
            # A load balancer sends for many Beats; they are counted when their address is known.
            from_address=0 if self.policy.is_proxy(direct.ip) else from_address,
        )
        if refused:
            self._recorder.rejected(f"{direct.ip}:{direct.port}", *refused)
        return not refused

    def note_rejected(self, address: Address, rejection: ConnectionRejected) -> None:
        """Count and log a rejection, whatever its reason."""
        self._handshakes.note(address, rejection)

    # -- the end of sockets --------------------------------------------------------------

    def socket_closed(self, accepted: socket.socket) -> None:
        """Call the callback of a socket that was handed in: its connection is over."""
        self._adopted.pop(accepted, _no_callback)()

    def _close(self, accepted: socket.socket) -> None:
        accepted.close()
        self.socket_closed(accepted)

    # -- pausing and stopping ------------------------------------------------------------

    def set_open(self, is_open: bool, now: float) -> None:
        """Accept, or not, since the receive budget has room or has none."""
        was_open = self.is_open
        if not is_open:
            self._open.clear()
            self.troubles.refuse(now)
        elif not self._is_stopped:
            self._open.set()
            self.troubles.take()
        if self.is_open != was_open:
            self.on_change()

    def stop(self) -> None:
        """Accept nothing any more, for good, and cancel the handshakes."""
        self._is_stopped = True
        self._open.clear()
        self._handshakes.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _no_callback() -> None:
    """The callback of sockets accepted here."""

"""Takes whole windows out of what a Beat sent, one at a time, when there is a permit to inflate.

    receive_data --> ServerConnection (compressed, as it came) --permit, checkpoint--> next()

No window is inflated before it has a permit: windows that wait stay compressed. Small ones wait
for each other first.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits, Window
from ptingest.model.contracts import Checkpoint
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS, HeldPermits, InflatePermits
from ptingest.sources.beats.receive_budget import BudgetMember, ReceiveBudget
from ptingest.sources.beats.small_windows import SMALL_BYTES, SmallWindows

WINDOW_FRAME_BYTES = 6


class ReaderHost(Protocol):
    """What all readers of a port share."""

    received: ReceiveBudget
    permits: InflatePermits
    exclusive: asyncio.Lock
    small_windows: SmallWindows
    checkpoint: Checkpoint
    draining: bool

    def now(self) -> float: ...


class WindowReader:
    """The bytes of one connection, on their way to windows."""

    def __init__(self, host: ReaderHost, limits: Limits, member: BudgetMember, sender: str) -> None:
        """``member``: the connection, as the receive budget knows it; ``sender``: as lanes do."""
        self._host, self._member, self._sender = host, member, sender
        self.wire = ServerConnection(limits)
        self.permits = HeldPermits(host.permits, host.exclusive, host.now)
        self._more = asyncio.Event()
        self._is_quiet = False
        self._is_within_window = False  # parts of a large window were given out, not the last
        self.is_eof = False
        """The peer will send no more."""
        self.is_waiting = True
        """It needs bytes, and nothing else keeps it from going on."""
        self.held_bytes = 0
        """Bytes received and not given out, as the receive budget counts them."""
        self.window_began_at: float | None = None
        """When the window that is incomplete now was first seen; None where there is none."""

    def receive_data(self, data: bytes) -> None:
        """Store what came and wake ``next``."""
        self.wire.receive_data(data)
        self.recount()
        self._more.set()

    def receive_eof(self) -> None:
        """Let ``next`` see the end of the stream."""
        self.wire.receive_eof()
        self._more.set()

    def wake(self) -> None:
        """Let ``next`` see that a drain has begun."""
        self._more.set()

    def try_quiet_window(self) -> None:
        """Nothing came for a while: give out a part-filled window, if the peer leaves such."""
        self._is_quiet = True
        self._more.set()

    @property
    def is_mid_window(self) -> bool:
        """Bytes of a window have come that was not given out yet."""
        return self.held_bytes > 0 or self.wire.is_window_open

    @property
    def has_open_window(self) -> bool:
        """A window has begun; one that waits for a permit is assumed from the bytes held."""
        may_hold_window = self.held_bytes >= WINDOW_FRAME_BYTES
        return self.wire.is_window_open or (
            self.permits.waiting_since is not None and may_hold_window
        )

    async def next(self) -> Window | None:
        """Wait for one complete window (or part); None at the end of the stream.

        It holds a permit then, to be given back when the window was admitted. Raises
        ProtocolError where the peer broke the format.
        """
        while True:
            if not self._more.is_set():
                self.is_waiting = True
                self._host.received.review(self._member)
                await self._more.wait()
            self._more.clear()
            if self._host.draining and not self._is_within_window:
                return None
            is_last_chance = self.is_eof or self._is_quiet or self._host.draining
            if self.wire.is_frame_open and not is_last_chance:
                continue  # a frame that is not whole needs no permit
            if self.held_bytes <= SMALL_BYTES and not is_last_chance:
                self.is_waiting = False
                await self._host.small_windows.wait(self._sender)
            window = await self._take_permit_and_cut()
            if window is not None:
                self._is_within_window = not window.is_last
                if self.held_bytes or self.is_eof or self._host.draining:
                    self._more.set()  # there may be another behind it, or the end
                return window
            if self.is_eof or self._host.draining:
                return None

    async def _take_permit_and_cut(self) -> Window | None:
        """Inflate and cut one window with a permit, or with all where its frame is large."""
        self.is_waiting = False
        self.wire.has_room = False
        try:
            await self.permits.take(1)
            window = await self._cut()
            if window is None and self.wire.needs_room:
                await self.permits.take(INFLATE_PERMITS)
                self.wire.has_room = True
                window = await self._cut()
        except BaseException:
            self.permits.give_back()
            self.recount()
            raise
        self.recount()
        self._note_window()
        if window is None:
            self.permits.give_back()
        return window

    async def _cut(self) -> Window | None:
        """Cut what the wire can give out, with a checkpoint before each stretch of work."""
        wire, window = self.wire, None
        is_quiet, self._is_quiet = self._is_quiet, False
        while window is None:
            # As many times as they grow, inflating them is cheaper than the pipeline.
            await self._host.checkpoint(wire.received_bytes)
            window = wire.next_window()
            if not wire.is_halfway:
                break
        if window is None:
            self.recount()
            if self._host.received.is_tight_for(self._member):
                window = wire.part_window()
        return wire.quiet_window() if window is None and is_quiet else window

    def _note_window(self) -> None:
        if not self.wire.is_window_open:
            self.window_began_at = None
        elif self.window_began_at is None:
            self.window_began_at = self._host.now()

    def recount(self) -> None:
        """Report the bytes held to the receive budget."""
        delta = self.wire.received_bytes - self.held_bytes
        self.held_bytes += delta
        self._host.received.add(self._member, delta)

    def forget(self) -> None:
        """Release all bytes: the connection takes nothing more, but may stay for a while."""
        self.wire.forget()
        self.recount()

"""One Beat's conversation: bytes in, windows to the flow, acks out in wire order.

    data_received --> ServerConnection (compressed, as it came) --> serve() --> admit
    receipt closed --> acks in wire order, one a window, the last seq, the peer's version

Three rules hold everywhere here. All writes go through ``_send_acks`` and ``tick``, so a
final ack can neither be doubled nor overtake another. A window joins ``_open`` before
anything may block, so that its keepalives begin with its first frame. And no window is
inflated before it is its turn: waiting windows stay compressed.

A connection is in one of four phases, and goes through them in one direction only:

    OPEN --> FINISHING (nothing more is taken, earned acks go out) --> DISCARDING (FIN) --> CLOSED

``_go_on_closing`` alone moves from FINISHING on. It is called by whatever takes a window out of
``_open``, so a window that vanishes while we are closing cannot keep the connection.

The ticker of the source looks at all timers twice a second.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, cast

from ptingest.errors import ProtocolError
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.frames import ack_bytes
from ptingest.lumberjack.window import Limits, Window
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.sources.beats.ack_queue import OpenWindow, take_earned_acks
from ptingest.sources.beats.deadlines import (
    UNREAD_ACKS_BYTES,
    Expired,
    ReadDeadlines,
    Seen,
    Writes,
)
from ptingest.sources.beats.inflate_permits import INFLATE_PERMITS, HeldPermits
from ptingest.sources.port import Phase, half_close, peek, reset
from ptingest.sources.proxy_protocol import Address

if TYPE_CHECKING:
    from ptingest.sources.beats.server import BeatsSource

log = logging.getLogger(__name__)

WINDOW_FRAME_BYTES = 6
DISCARD_SECONDS = 2.0
"""How long a closing connection reads and discards, so that FIN does not become RST."""


class BeatsConnection(asyncio.Protocol):
    """The shell around one ``ServerConnection``; owned by a ``BeatsSource``."""

    transport: asyncio.Transport

    def __init__(
        self, source: BeatsSource, limits: Limits, address: Address, accepted: socket.socket
    ) -> None:
        self._source = source
        self._accepted = accepted
        self._wire = ServerConnection(limits)
        self._open: deque[OpenWindow] = deque()
        self._filling: OpenWindow | None = None
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._counted = 0
        self._phase = Phase.OPEN
        self._eof = False
        self._quiet = False
        self._quiet_tried_at = 0.0
        self._permits = HeldPermits(source.permits, source.exclusive, source.now)
        self._first_byte = 0
        self.address = address
        self.ip, self.peer = address.ip, f"{address.ip}:{address.port}"
        self.origin = Origin(peer=self.peer)
        self.session: ssl.SSLObject | None = None
        """Of a finished TLS handshake."""
        self.admitted = False
        self.reading = True
        self.awaits_bytes = True
        self.closing: str | None = None
        self.accepted_at = self.last_byte_at = self.last_ack_at = source.now()
        self._deadlines = ReadDeadlines(self.accepted_at)
        self._has_begun_window = False
        self._unread_since: float | None = None
        self._writes = Writes()
        self._discard_until = 0.0
        self.windows = self.events = self.bytes = 0
        self.largest_window = 0
        self.pipelines = False
        """It has sent a window before the one before it was acked."""

    # -- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio.Transport's children, only its like.
        self.transport = cast(asyncio.Transport, transport)
        self.session = transport.get_extra_info("ssl_object")
        self.transport.set_write_buffer_limits(high=UNREAD_ACKS_BYTES)
        if self._source.register(self):
            self.admitted = True
            self._task = self._source.spawn(self._serve())

    def data_received(self, data: bytes) -> None:
        if not self.bytes:
            self._first_byte = data[0]
        self.bytes += len(data)
        if not self.is_open or not self.admitted:
            return  # read and discarded, see _shut_down()
        self.last_byte_at = self._source.now()
        if self._open and self._filling is None:
            self.pipelines = True
        self._wire.receive_data(data)
        self._recount()
        self._more.set()

    def eof_received(self) -> bool:
        """Keep our half open: a Beat that half-closes still wants its acks."""
        self._eof = True
        if not self.is_open:
            # Windows that were whole before the frame that broke still get their acks.
            return bool(self._open) and self.session is None
        self._wire.receive_eof()
        self._more.set()
        # TLS has no half-close: its transport closes after this, whatever is returned.
        return self.admitted and self.session is None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset or our own close; either way the windows below go unacked
        self._source.left(self._accepted)
        if not self.admitted or self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CLOSED
        reason = self.closing or ("peer_closed" if self._eof else "peer_reset")
        self.closing = reason
        if self._task is not None:
            self._task.cancel()
        windows, self._open = self._open, deque()
        for window in windows:
            window.receipt.fail("connection closed")
        self._recount(lets_go=True)
        self._source.forget(self, reason)

    # -- what the source asks ------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """It takes windows; not once it is closing, for whatever reason."""
        return self._phase is Phase.OPEN

    @property
    def is_mid_window(self) -> bool:
        """Bytes of a window have come that was not given out yet."""
        return self._counted > 0 or self._wire.is_window_open

    @property
    def open_windows(self) -> int:
        return len(self._open)

    @property
    def compresses(self) -> bool:
        return self._wire.has_compressed

    @property
    def waiting_bytes(self) -> int:
        return self._counted

    @property
    def held_since(self) -> float | None:
        """Since when a window waits for us (its turn, the flow, a sink); None if none does."""
        if self._open:
            return self._open[0].began_at
        return self._permits.waiting_since or self._unread_since

    def is_served_by(self, task: asyncio.Task[None]) -> bool:
        return self._task is task

    def wake(self) -> None:
        self._more.set()

    def pause(self) -> None:
        if self.reading and not self._eof and not self.transport.is_closing():
            self.reading = False
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.reading and not self.transport.is_closing():
            self.reading = True
            self._unread_since = None
            self.last_byte_at = self._source.now()
            self.transport.resume_reading()

    # -- windows in ----------------------------------------------------------------------

    async def _serve(self) -> None:
        """Take windows out of the wire, one at a time, as long as the peer lives."""
        reason = "peer_closed"
        try:
            while await self._next_admitted():
                pass
        except ProtocolError as error:
            self._source.protocol_error(self, error)
            reason = error.reason
        finally:
            self.awaits_bytes = False
            self._drop_filling("window not complete")
        if reason != "peer_closed" or not self._source.draining:
            self.close_after_acks(reason)

    async def _next_admitted(self) -> bool:
        """Admit the next window; False at the end of the stream, or once we are closing.

        A call of its own: a name in ``_serve`` would keep the last window's payloads, some
        megabytes, for as long as the connection has nothing to say.
        """
        window = await self._next()
        if window is None:
            return False
        await self._admit_window(window)
        # A window that failed while it was admitted closed the connection from within this
        # task, which does not cancel itself. What waits behind it must not be acked.
        return self.is_open

    async def _next(self) -> Window | None:
        """Wait for one complete window (or part); None at the end of the stream."""
        while True:
            if not self._more.is_set():
                self.awaits_bytes = True
                self._source.received.review(self)
                await self._more.wait()
            self._more.clear()
            if self._source.draining and self._filling is None:
                return None
            if self._wire.is_frame_open and not (self._eof or self._quiet or self._source.draining):
                continue  # a frame that is not whole needs no permit
            window = await self._take_permit_and_cut()
            if window is not None:
                self._more.set()  # there may be another behind it
                return window
            if self._eof or self._source.draining:
                return None

    async def _take_permit_and_cut(self) -> Window | None:
        """Inflate and cut one window when it is this connection's turn."""
        self.awaits_bytes = False
        self._wire.has_room = False
        try:
            await self._permits.take(1)
            window = await self._cut()
            if window is None and self._wire.needs_room:
                # It will be in memory several times, so nobody else inflates meanwhile.
                await self._permits.take(INFLATE_PERMITS)
                self._wire.has_room = True
                window = await self._cut()
        except BaseException:
            self._permits.give_back()
            self._recount()
            raise
        self._recount()
        self._note_open_window()
        if window is None:
            self._permits.give_back()
        return window

    async def _cut(self) -> Window | None:
        """Have the wire give out what it can, with a checkpoint before each stretch of it."""
        wire, window = self._wire, None
        is_quiet, self._quiet = self._quiet, False
        while window is None:
            # As many times as they grow, inflating them is cheaper than the pipeline.
            await self._source.checkpoint(wire.received_bytes)
            window = wire.next_window()
            if not wire.is_halfway:
                break
        if window is None:
            self._recount()
            if self._source.received.is_tight_for(self):
                window = wire.part_window()
        return wire.quiet_window() if window is None and is_quiet else window

    def _note_open_window(self) -> None:
        """Keepalives begin with a window's first frame."""
        if self._wire.is_window_open and not self._has_begun_window and not self._open:
            self.last_ack_at = self._source.now()
        self._has_begun_window = self._wire.is_window_open

    async def _admit_window(self, window: Window) -> None:
        """Open a receipt (or go on with one) and hand the payloads to the flow."""
        try:
            opened = self._filling or self._open_window(window)
            opened.events += len(window.payloads)
            self._filling = opened
            if window.payloads:
                await self._source.admit_from(self, window.payloads, opened.receipt)
            else:
                await asyncio.sleep(
                    0
                )  # the flow has a checkpoint at each chunk; `W 0` has no chunk
            if window.is_last:
                self._complete(opened, window)
        finally:
            self._permits.give_back()

    def _open_window(self, window: Window) -> OpenWindow:
        opened = OpenWindow(window.version, self._source.now())
        opened.receipt = Receipt(lambda receipt: self._on_closed(opened, receipt), self.peer)
        opened.receipt.give_way = self._permits.give_back
        if not self._open and not self._has_begun_window:
            self.last_ack_at = self._source.now()
        self._open.append(opened)
        return opened

    def _complete(self, opened: OpenWindow, window: Window) -> None:
        opened.last_seq, opened.sealed_at = window.last_seq, self._source.now()
        self._filling = None
        self.windows += 1
        if (trace := opened.receipt.trace) is not None:
            trace.number, trace.last_seq = self.windows, window.last_seq
        self.events += opened.events
        self.largest_window = max(self.largest_window, opened.events)
        self._source.window_complete(opened.events, window.odd)
        opened.receipt.seal()

    def _drop_filling(self, reason: str) -> None:
        if self._filling is not None:
            filling, self._filling = self._filling, None
            if filling in self._open:
                self._open.remove(filling)
            filling.receipt.fail(reason)
            self._go_on_closing()

    # -- acks out ------------------------------------------------------------------------

    def _on_closed(self, opened: OpenWindow, receipt: Receipt) -> None:
        opened.safe = receipt.failed is None
        if receipt.failed is not None:
            self._source.window_failed(self, receipt.failed)
            if opened in self._open:
                self.close_now("window_failed")
            return
        self._send_acks()

    def _send_acks(self) -> None:
        now = self._source.now()
        out = take_earned_acks(self._open, now, self._source.acked)
        if out and not self.transport.is_closing():
            self.transport.write(out)
            self.last_ack_at = self.last_byte_at = now
            self._deadlines.heard()
        self._go_on_closing()

    # -- timers, twice a second ----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Send a due keepalive and look at every timer of this connection."""
        if self._phase is Phase.DISCARDING:
            if now >= self._discard_until or self._eof:
                self._leave()
            return
        self._keep_alive(now)
        unwritten = self.transport.get_write_buffer_size()
        if self._writes.are_stuck(now, unwritten, self._source.settings.limits.write_seconds):
            self._source.note_closed_by_us(self, "acks are not read (beats.limits.write_seconds)")
            self.close_now("write_timeout")
            reset(self.transport, self._accepted)
        elif expired := self._expired_hold(now) or self._expired_read(now):
            self.expire(expired)
        elif now - self.last_byte_at >= self._source.settings.quiet_seconds and self.awaits_bytes:
            self._try_quiet_window()

    def expire(self, expired: Expired) -> None:
        """Close, for a deadline is over."""
        self._source.note_closed_by_us(self, expired.text)
        self.close_now(expired.reason)

    def _try_quiet_window(self) -> None:
        """Once in each quiet spell: is the part-filled window complete by this peer's habit?"""
        if self._wire.is_window_open and self._quiet_tried_at != self.last_byte_at:
            self._quiet_tried_at = self.last_byte_at
            self._quiet = True
            self._more.set()

    def _keep_alive(self, now: float) -> None:
        settings = self._source.settings
        # Bytes that wait for their turn have not been looked at: a whole window frame among
        # them means that a window is open.
        waits_for_permit = self._permits.waiting_since and self._counted >= WINDOW_FRAME_BYTES
        # v1 knows no keepalive: its clients assert on the version and value of each ack.
        if self._first_byte == ord("1") or self.transport.is_closing():
            return
        if now - self.last_ack_at < settings.keepalive_seconds:
            return
        is_open = self._open or self._wire.is_window_open or waits_for_permit
        if is_open or self._holds_unread_window(now):
            self.transport.write(ack_bytes(2, 0))
            self.last_ack_at = now
            self._source.kept_alive()

    def _holds_unread_window(self, now: float) -> bool:
        """Whether a window waits in the kernel, since the pot is full and we do not read."""
        if self.reading or self._counted or not self._is_window_in_kernel():
            return False
        if self._unread_since is None:
            self._unread_since = now
        return True

    def _is_window_in_kernel(self) -> bool:
        beginning = peek(self._accepted, 2)
        if self.session is not None:  # TLS: what it is cannot be seen, only that it is
            return self._first_byte == ord("2") and bool(beginning)
        return beginning == b"2W"

    def _expired_hold(self, now: float) -> Expired | None:
        held_since = self.held_since
        hold = self._source.settings.hold_seconds * self._source.hold_jitter(self)
        if held_since is not None and now - held_since >= hold:
            text = "its oldest window was held for hold_seconds; try another host"
            return Expired("held_too_long", text)
        return None

    def _expired_read(self, now: float) -> Expired | None:
        wire = self._wire
        owes = self.is_open and self.awaits_bytes
        # Who is not read and has nothing waiting in the kernel keeps us waiting all the same.
        owes = owes and (self.reading or not peek(self._accepted, 1))
        is_begun = wire.is_frame_open or wire.is_window_open
        seen = Seen(
            owes=owes,
            bytes=self.bytes,
            frame=wire.frames if wire.is_frame_open else None,
            window=self.windows if is_begun else None,
            holds_windows=bool(self._open),
        )
        return self._deadlines.look(now, seen, self._source.settings.limits)

    # -- the end -------------------------------------------------------------------------

    def close_after_acks(self, reason: str) -> None:
        """Read no more; close once the windows that were complete have their acks."""
        if self.is_open:
            self._phase, self.closing = Phase.FINISHING, reason
            self._recount(lets_go=True)
            self.resume()
            self._send_acks()

    def close_now(self, reason: str) -> None:
        """Close without waiting for open windows: they go unacked and are resent."""
        self.closing = self.closing or reason
        if self.is_open:
            self._phase = Phase.FINISHING
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        windows, self._open, self._filling = self._open, deque(), None
        for window in windows:
            window.receipt.fail(f"connection closed: {reason}")
        self._recount(lets_go=True)
        self._go_on_closing()

    def _go_on_closing(self) -> None:
        """Shut down as soon as no window waits for its ack any more."""
        if self._phase is Phase.FINISHING and not self._open:
            self._shut_down()

    def _shut_down(self) -> None:
        """FIN, then read and discard for a bounded time: unread input would make it RST."""
        self._phase = Phase.DISCARDING
        self._discard_until = self._source.now() + DISCARD_SECONDS
        if self.transport.is_closing():
            return
        if self._eof:
            self.transport.close()
            return
        self.resume()
        half_close(self.transport, self._accepted)

    def abandon(self) -> None:
        """Be over at once, whatever the transport says of it: some never tell of their end."""
        self.transport.abort()
        self.connection_lost(None)

    def _leave(self) -> None:
        if self.transport.get_write_buffer_size() or self.session is not None:
            self.transport.abort()
        else:
            self.transport.close()

    def _recount(self, *, lets_go: bool = False) -> None:
        """Tell the source how many bytes wait here unframed; none, once no more are taken."""
        if lets_go:  # in so many words: this object may stay for long
            self._wire.forget()
        delta = self._wire.received_bytes - self._counted
        self._counted += delta
        self._source.received.add(self, delta)

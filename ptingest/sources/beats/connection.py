"""One Beat's connection: bytes in, windows to the flow, acks out in wire order.

    data_received --> WindowReader --> _serve --> admit
    receipt closed --> AckQueue --> one ack a window: its last seq, in the peer's version

``Lifecycle`` has the states and what may happen in each. Rules that hold in all of them:

- ``_send_acks`` and ``_keep_alive`` are the only places that write, so a final ack is neither
  sent twice nor out of order.
- A window is in the ack queue before anything may block, so its keepalives begin with its first
  frame.
- Whatever takes a window out of the ack queue calls ``_go_on_closing``, so no window can keep a
  connection that is closing.

The server looks at all timers twice a second by ``tick``; there is no timer for each of them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Protocol, cast

from ptingest.errors import ProtocolError
from ptingest.lumberjack.frames import ack_bytes
from ptingest.lumberjack.window import Limits, Window
from ptingest.model.contracts import Admit
from ptingest.model.origin import Origin, Sender
from ptingest.model.receipt import Receipt
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.ack_queue import AckQueue, OpenWindow
from ptingest.sources.beats.deadlines import (
    UNREAD_ACKS_BYTES,
    Expired,
    PeerActivity,
    QuietPeriod,
    ReadDeadlines,
    Writes,
)
from ptingest.sources.beats.keepalive import Keepalive
from ptingest.sources.beats.lifecycle import Cause, Lifecycle
from ptingest.sources.beats.read_gate import ReadGate
from ptingest.sources.beats.recorder import BeatsRecorder, ConnectionCounts
from ptingest.sources.beats.window_reader import ReaderHost, WindowReader
from ptingest.sources.port import half_close, peek, reset
from ptingest.sources.proxy_protocol import Address

DISCARD_SECONDS = 2.0
"""How long a connection reads and drops what comes after our FIN."""


class ConnectionHost(ReaderHost, Protocol):
    """What a connection asks of its server."""

    settings: BeatsSettings
    recorder: BeatsRecorder
    admit: Admit
    sender_of: Callable[[bytes], Sender]

    def register(self, connection: BeatsConnection) -> bool:
        """Admit it; False where it was rejected and its transport is being closed."""
        ...

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]: ...

    def window_failed(self, peer: str, reason: str) -> None: ...

    def forget(self, connection: BeatsConnection) -> None:
        """It is closed."""
        ...

    def socket_closed(self, accepted: socket.socket) -> None:
        """The transport of this socket is gone, whether the connection was admitted or not."""
        ...


class BeatsConnection(asyncio.Protocol):
    """The transport's callbacks, the task that serves it, and its end."""

    transport: asyncio.Transport

    def __init__(
        self,
        host: ConnectionHost,
        limits: Limits,
        address: Address,
        accepted: socket.socket,
        *,
        hold_factor: float = 1.0,
    ) -> None:
        """``hold_factor`` stretches ``hold_seconds``, so that not all Beats return at once."""
        now = host.now()
        self._host, self._socket, self._hold_factor = host, accepted, hold_factor
        self.address, self.ip = address, address.ip
        self.peer = f"{address.ip}:{address.port}"
        self.origin = Origin(peer=self.peer)
        self.sender: Sender | None = None
        """Which Beat sends, as its first event says; None before that."""
        self.session: ssl.SSLObject | None = None
        """Of a finished TLS handshake."""
        self.counts = ConnectionCounts(accepted_at=now)
        self.lifecycle = Lifecycle()
        self.reader = WindowReader(host, limits, self, self.peer)
        self.gate = ReadGate(partial(peek, accepted))
        self._acks = AckQueue()
        self._task: asyncio.Task[None] | None = None
        self._first_byte = b""
        self._keepalive, self._quiet = Keepalive(now), QuietPeriod(now)
        self._deadlines, self._writes = ReadDeadlines(now), Writes()
        self._discard_until = 0.0

    # -- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport and another base class.
        self.transport = cast(asyncio.Transport, transport)
        self.session = transport.get_extra_info("ssl_object")
        self.transport.set_write_buffer_limits(high=UNREAD_ACKS_BYTES)
        if self._host.register(self):
            self.lifecycle.move(Cause.ADMITTED)
            self._task = self._host.spawn(self._serve())
        else:
            self.lifecycle.move(Cause.REJECTED)

    def data_received(self, data: bytes) -> None:
        if not self.counts.bytes:
            self._first_byte = data[:1]
        self.counts.bytes += len(data)
        if not self.is_open:
            return  # read and dropped, see _shut_down()
        self._quiet.heard(self._host.now())
        if self._acks and self._acks.filling is None:
            self.counts.pipelines = True
        self.reader.receive_data(data)

    def eof_received(self) -> bool:
        """Keep our half open: a Beat that half-closes still wants its acks."""
        self.reader.is_eof = True
        # TLS has no half-close: its transport closes after this, whatever is returned.
        is_tls = self.session is not None
        if not self.is_open:
            # Windows that were whole before the frame that broke still get their acks.
            return bool(self._acks) and not is_tls
        self.reader.receive_eof()
        return not is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset or our own close; the windows below go unacked in either case
        self._host.socket_closed(self._socket)
        reason = "peer_closed" if self.reader.is_eof else "peer_reset"
        if not self.lifecycle.move(Cause.LOST, reason):
            return
        if self._task is not None:
            self._task.cancel()
        for window in self._acks.take_all():
            window.receipt.fail("connection closed")
        self.reader.forget()
        self._host.forget(self)

    # -- what the server and its receive budget ask --------------------------------------

    @property
    def is_open(self) -> bool:
        """It takes windows; no longer once it is closing, for whatever reason."""
        return self.lifecycle.may.take_windows

    @property
    def reading(self) -> bool:
        return self.gate.is_open

    @property
    def awaits_bytes(self) -> bool:
        return self.reader.is_waiting

    @property
    def is_mid_window(self) -> bool:
        return self.reader.is_mid_window

    @property
    def waiting_bytes(self) -> int:
        return self.reader.held_bytes

    @property
    def open_windows(self) -> int:
        return len(self._acks)

    @property
    def held_since(self) -> float | None:
        """Since when a window waits for us (a permit, the flow, a sink); None if none does."""
        if self._acks:
            return self._acks.oldest_began_at
        return self.reader.permits.waiting_since or self.gate.unread_since

    def is_served_by(self, task: asyncio.Task[None]) -> bool:
        return self._task is task

    def pause(self) -> None:
        if self.gate.is_open and not self.reader.is_eof and not self.transport.is_closing():
            self.gate.close()
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.gate.is_open and not self.transport.is_closing():
            self.gate.open()
            self._quiet.heard(self._host.now())
            self.transport.resume_reading()

    # -- windows in ----------------------------------------------------------------------

    async def _serve(self) -> None:
        """Admit windows, one at a time, until the stream or the connection ends."""
        reason = "peer_closed"
        try:
            while await self._admit_next():
                pass
        except ProtocolError as error:
            self._host.recorder.protocol_error(self.peer, error)
            reason = error.reason
        finally:
            self.reader.is_waiting = False
            self._drop_filling("window not complete")
        if reason != "peer_closed" or not self._host.draining:
            self.close_after_acks(reason)

    async def _admit_next(self) -> bool:
        """Admit the next window; False at the end of the stream, or once we are closing.

        A call of its own: a variable in ``_serve`` would keep the payloads of the last window,
        some megabytes, while the connection waits for the next one.
        """
        window = await self.reader.next()
        if window is None:
            return False
        await self._admit(window)
        # A window that failed during its admission has closed the connection within this
        # task, which does not cancel itself. The windows behind it must not be acked.
        return self.is_open

    async def _admit(self, window: Window) -> None:
        """Hand the payloads to the flow under the receipt of their window."""
        try:
            opened = self._acks.filling or self._begin_window(window)
            opened.events += len(window.payloads)
            if window.payloads:
                if self.sender is None:
                    self.sender = self._host.sender_of(window.payloads[0])
                await self._host.admit(window.payloads, opened.receipt, self.origin)
            else:
                await asyncio.sleep(0)  # the flow has a checkpoint at each chunk; `W 0` has none
            if window.is_last:
                self._complete(opened, window)
        finally:
            self.reader.permits.give_back()

    def _begin_window(self, window: Window) -> OpenWindow:
        now = self._host.now()
        if not self._acks:
            self._keepalive.window_began(self.reader.window_began_at or now)
        opened = self._acks.begin(window.version, now)
        opened.receipt = Receipt(partial(self._on_closed, opened), self.peer)
        opened.receipt.give_way = self.reader.permits.give_back
        return opened

    def _complete(self, opened: OpenWindow, window: Window) -> None:
        now = self._host.now()
        self._acks.complete(opened, window.last_seq, now)
        self.counts.add_window(opened.events, now)
        if (trace := opened.receipt.trace) is not None:
            trace.number, trace.last_seq = self.counts.windows, window.last_seq
        self._host.recorder.window_complete(opened.events, window.odd)
        opened.receipt.seal()

    def _drop_filling(self, reason: str) -> None:
        filling = self._acks.drop_filling()
        if filling is not None:
            filling.receipt.fail(reason)
            self._go_on_closing()

    # -- acks out ------------------------------------------------------------------------

    def _on_closed(self, opened: OpenWindow, receipt: Receipt) -> None:
        opened.safe = receipt.failed is None
        if receipt.failed is None:
            self._send_acks()
            return
        self._host.window_failed(self.peer, receipt.failed)
        if opened in self._acks:
            self.close_now("window_failed")

    def _send_acks(self) -> None:
        now = self._host.now()
        earned = self._acks.take_earned(now)
        for seconds in earned.seconds:
            self._host.recorder.acked(seconds)
        if earned.wire and not self.transport.is_closing():
            self.transport.write(earned.wire)
            self._keepalive.wrote(now)
            self._quiet.heard(now)
            self._deadlines.heard()
        self._go_on_closing()

    # -- timers, twice a second ----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Send a due keepalive and look at every timer of this connection."""
        if not self.lifecycle.may.send_acks:
            if now >= self._discard_until or self.reader.is_eof:
                self._leave()
            return
        settings = self._host.settings
        self._keep_alive(now)
        unwritten = self.transport.get_write_buffer_size()
        if self._writes.are_stuck(now, unwritten, settings.limits.write_seconds):
            self.expire(Expired("write_timeout", "acks are not read (beats.limits.write_seconds)"))
            reset(self.transport, self._socket)
        elif expired := self._expired_hold(now) or self._expired_read(now):
            self.expire(expired)
        elif (
            self.reader.is_waiting
            and self.reader.wire.is_window_open
            and self._quiet.has_passed(now, settings.quiet_seconds)
        ):
            self.reader.try_quiet_window()

    def expire(self, expired: Expired) -> None:
        """Close it, since a deadline has passed."""
        self._host.recorder.closing(self.peer, expired.text, self.counts)
        self.close_now(expired.reason)

    def _keep_alive(self, now: float) -> None:
        # v1 knows no keepalive: its clients assert on the version and value of each ack.
        if self._first_byte == b"1":
            return
        if not self._acks and self.reader.window_began_at is not None:
            self._keepalive.window_began(self.reader.window_began_at)
        is_due = self._keepalive.is_due(now, self._host.settings.keepalive_seconds)
        if not is_due or self.transport.is_closing():
            return
        if self._acks or self.reader.has_open_window or self._has_unread_window(now):
            self.transport.write(ack_bytes(2, 0))
            self._keepalive.wrote(now)
            self._host.recorder.kept_alive()

    def _has_unread_window(self, now: float) -> bool:
        return not self.reader.held_bytes and self.gate.has_unread_window(
            now, is_version_2=self._first_byte == b"2", is_encrypted=self.session is not None
        )

    def _expired_hold(self, now: float) -> Expired | None:
        held_since = self.held_since
        hold = self._host.settings.hold_seconds * self._hold_factor
        if held_since is not None and now - held_since >= hold:
            text = "its oldest window was held for hold_seconds; try another host"
            return Expired("held_too_long", text)
        return None

    def _expired_read(self, now: float) -> Expired | None:
        wire = self.reader.wire
        owes = self.is_open and self.reader.is_waiting and not self.gate.keeps_peer_waiting
        is_frame_open = wire.is_frame_open
        is_begun = is_frame_open or wire.is_window_open
        seen = PeerActivity(
            owes=owes,
            bytes=self.counts.bytes,
            frame=wire.frames if is_frame_open else None,
            window=self.counts.windows if is_begun else None,
            holds_windows=bool(self._acks),
        )
        return self._deadlines.look(now, seen, self._host.settings.limits)

    # -- the end -------------------------------------------------------------------------

    def close_after_acks(self, reason: str) -> None:
        """Read no more; close once the windows that were complete have their acks."""
        if self.is_open:
            self.lifecycle.move(Cause.CLOSE, reason)
            self.reader.forget()
            self.resume()
            self._send_acks()

    def close_now(self, reason: str) -> None:
        """Close without waiting for open windows: they go unacked and are resent."""
        self.lifecycle.move(Cause.CLOSE, reason)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        for window in self._acks.take_all():
            window.receipt.fail(f"connection closed: {reason}")
        self.reader.forget()
        self._go_on_closing()

    def _go_on_closing(self) -> None:
        """Shut down as soon as no window waits for its ack any more."""
        if not self._acks and not self.is_open and self.lifecycle.move(Cause.ALL_ACKED):
            self._shut_down()

    def _shut_down(self) -> None:
        """Send FIN, then read and drop what comes for a bounded time: see ``lifecycle``."""
        self._discard_until = self._host.now() + DISCARD_SECONDS
        if self.transport.is_closing():
            return
        if self.reader.is_eof:
            self.transport.close()
            return
        self.resume()
        half_close(self.transport, self._socket)

    def abandon(self) -> None:
        """End it at once, even where the transport does not report its own end."""
        self.transport.abort()
        self.connection_lost(None)

    def _leave(self) -> None:
        if self.transport.get_write_buffer_size() or self.session is not None:
            self.transport.abort()
        else:
            self.transport.close()

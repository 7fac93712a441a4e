"""The shipping client: files in, windows out; a position is saved only once it is acked.

    files --> records --> events --> windows --> (unacked) --> acks --> registry

Like Filebeat it resends whatever was not acked, in order, on a new connection, and in smaller
windows, since the size of a window may be why the server closed. An event is built once, so it
is the same when it is resent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.client import ClientConnection
from ptingest.pipeline.plain_lines import constant_fields, filebeat_event
from ptingest.tools.shipper.file_reader import FilePlace, Record, RecordReader
from ptingest.tools.shipper.registry import Registry
from ptingest.tools.shipper.windows import ShippedEvent, ShippedWindow, WindowLimits

QUIET_SECONDS = 5.0
"""Without an ack for this long it is said that one is waited for."""
FOLLOW_SECONDS = 0.25
FLUSH_SECONDS = 1.0
"""A followed record waits this long for continuation lines."""
SAVE_SECONDS = 0.5
CLOSE_SECONDS = 2.0
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipperSettings:
    """What to ship, to which server and how fast."""

    host: str
    port: int
    group: str
    files: Mapping[Path, str]
    """Absolute path -> value of ``service``."""
    registry: Path
    again: bool = False
    follow: bool = False
    rate: float | None = None
    window: int = 2048
    pipelining: int = 2
    compression: int = 3
    timeout_seconds: float = 30.0
    patience_seconds: float = 60.0
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class Progress:
    """Numbers for a progress bar and the closing line."""

    read: int = 0
    acked: int = 0
    resent: int = 0
    windows: int = 0
    in_flight: int = 0
    connections: int = 0
    bytes_total: int = 0
    bytes_acked: int = 0
    seconds: float = 0.0
    doing: str = ""
    """What keeps it waiting, as a sentence; empty while acks come."""
    failure: str | None = None

    @property
    def is_all_acked(self) -> bool:
        return self.read == self.acked


class Shipper:
    """One run of ``ptingest send``."""

    def __init__(
        self, settings: ShipperSettings, *, report: Callable[[Progress], None] = lambda _: None
    ) -> None:
        self.progress = Progress()
        self._settings = settings
        self._report = report
        self._registry = Registry(settings.registry)
        self._unacked: deque[ShippedWindow] = deque()
        self._read: asyncio.Queue[ShippedWindow | None] = asyncio.Queue(maxsize=1)
        self._is_read_out = False
        self._readers: dict[Path, RecordReader] = {}
        self._saved_at = 0.0
        self._events = EventMaker(settings.group, self._registry.agent_id)
        self._limits = WindowLimits(settings.window)
        self._began = time.monotonic()
        self._progress_at = self._began

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def run(self) -> None:
        """Ship until all is acked, or for ever with ``follow``; ``progress`` has the result."""
        self._open_files()
        # Reading has a task of its own, so that it survives a lost connection.
        reading = asyncio.ensure_future(self._read_files())
        try:
            await self._ship_until_done(reading)
        finally:
            reading.cancel()
            self._save(force=True)
            for reader in self._readers.values():
                reader.close()

    async def _ship_until_done(self, reading: asyncio.Future[None]) -> None:
        failures = 0
        while True:
            before = self.progress.acked
            try:
                await self._ship()
            except (OSError, ProtocolError, PeerClosed) as error:
                failures = 0 if self.progress.acked > before else failures + 1
                if not await self._may_try_again(error, failures):
                    return
            else:
                await reading  # raises an error of a file
                return

    def _open_files(self) -> None:
        for path in self._settings.files:
            place = None if self._settings.again else self._registry.place(path)
            reader = RecordReader(path, place)
            self._readers[path] = reader
            self.progress.bytes_total += max(0, reader.size - reader.position)

    async def _may_try_again(self, error: Exception, failures: int) -> bool:
        where, why = self._where, _words(error, self._settings.timeout_seconds)
        if isinstance(error, ssl.SSLError):
            self.progress.failure = (
                f"no TLS with {where}: {error}; is --tls-ca its authority, does its certificate "
                "hold this name, does it want --tls-cert?"
            )
            return False
        if not self.progress.connections:
            self.progress.failure = (
                f"no server answers at {where}: {why}; is the server running, and is this its "
                "beats.listen?"
            )
            return False
        stuck = time.monotonic() - self._progress_at
        if stuck > self._settings.patience_seconds:
            self.progress.failure = f"{where} acked nothing for {stuck:.0f} s (--patience): {why}"
            if isinstance(error, PeerClosed | ConnectionError) and self._unacked:
                self.progress.failure += f"; {_hint(self._unacked[0])}"
            if self._settings.tls is not None and not self.progress.acked:
                # Python's servers close when they refuse a certificate, without an alert.
                self.progress.failure += "; does it want another --tls-cert? Its log says why"
            return False
        pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
        left = self._settings.patience_seconds - stuck
        so_long = "for the last time" if left < pause else f"for {left:.0f} s more"
        self.progress.doing = f"{where}: {why}; trying again in {pause:g} s, {so_long} (--patience)"
        self._show()
        await asyncio.sleep(pause)
        return True

    # -- one connection ------------------------------------------------------------------

    async def _ship(self) -> None:
        settings = self._settings
        async with asyncio.timeout(settings.timeout_seconds):
            reader, writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=settings.tls
            )
        self.progress.connections += 1
        self.progress.doing = ""
        wire = ClientConnection(compression_level=self._settings.compression)
        slots = asyncio.Semaphore(self._settings.pipelining + 1)
        acks = asyncio.ensure_future(self._take_acks(reader, wire, slots))
        sending = asyncio.ensure_future(self._send_all(writer, wire, slots))
        try:
            await asyncio.wait((acks, sending), return_when=asyncio.FIRST_COMPLETED)
            if acks.done():
                acks.result()  # raises why the connection ended
            await sending
            while self._unacked:
                await asyncio.wait((acks,), timeout=0.01)
                if acks.done():
                    acks.result()
        except (OSError, ProtocolError, PeerClosed):
            self._cut_smaller()
            raise
        finally:
            for task in (acks, sending):
                task.cancel()
            await asyncio.gather(acks, sending, return_exceptions=True)
            await _close(writer)

    def _cut_smaller(self) -> None:
        """Cut unacked windows smaller: the first may have been too large."""
        if self._unacked:
            self._limits.shrink(self._unacked[0])
            self._unacked = deque(
                part for window in self._unacked for part in window.cut(self._limits)
            )

    async def _send_all(
        self,
        writer: asyncio.StreamWriter,
        wire: ClientConnection,
        slots: asyncio.Semaphore,
    ) -> None:
        for again in list(self._unacked):
            await slots.acquire()
            self.progress.resent += len(again.events) if again.was_sent else 0
            await self._send(writer, wire, again)
        while not self._is_read_out:
            window = await self._read.get()
            if window is None:
                self._is_read_out = True
                return
            # It counts as unacked before the first await, so it is never lost.
            self._unacked.append(window)
            await slots.acquire()
            await self._send(writer, wire, window)

    async def _send(
        self, writer: asyncio.StreamWriter, wire: ClientConnection, window: ShippedWindow
    ) -> None:
        window.was_sent = True
        writer.write(wire.send_window([event.payload for event in window.events]))
        self.progress.in_flight = wire.in_flight
        async with asyncio.timeout(self._settings.timeout_seconds):
            await writer.drain()

    async def _take_acks(
        self, reader: asyncio.StreamReader, wire: ClientConnection, slots: asyncio.Semaphore
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    data = await reader.read(4096)
            except TimeoutError:
                if not wire.in_flight:
                    continue
                raise
            if not data:
                wire.receive_eof()
                raise PeerClosed("the server closed the connection")
            for _ in [ack for ack in wire.receive_data(data) if ack.is_complete]:
                self._acked(self._unacked.popleft())
                slots.release()
            self.progress.in_flight = wire.in_flight
            quiet = time.monotonic() - self._progress_at
            if wire.in_flight and quiet >= QUIET_SECONDS:
                # What came is a keepalive.
                self.progress.doing = (
                    f"{self._where} is alive and has acked nothing for {quiet:.0f} s: it waits for "
                    "its sinks, or for its limits"
                )
            self._show()

    def _acked(self, window: ShippedWindow) -> None:
        progress = self.progress
        progress.acked += len(window.events)
        progress.windows += 1
        progress.doing = ""
        progress.bytes_acked += sum(event.file_bytes for event in window.events)
        self._progress_at = time.monotonic()
        self._limits.grow()
        for event in window.events:
            self._registry.advance(event.path, event.place)
        self._save(force=False)

    def _save(self, *, force: bool) -> None:
        now = time.monotonic()
        if force or now - self._saved_at >= SAVE_SECONDS:
            self._saved_at = now
            self._registry.save()
        self._show()

    def _show(self) -> None:
        self.progress.seconds = time.monotonic() - self._began
        self._report(self.progress)

    # -- files to windows ----------------------------------------------------------------

    async def _read_files(self) -> None:
        """Queue windows while the files have records; None at the end unless files are followed."""
        try:
            await self._queue_windows()
        finally:
            await self._read.put(None)

    async def _queue_windows(self) -> None:
        rate = SendRate(self._settings.rate)
        window = ShippedWindow()
        quiet_since = time.monotonic()
        while True:
            found = False
            flush = time.monotonic() - quiet_since >= FLUSH_SECONDS
            for reader, record in self._records(flush=flush):
                found = True
                event = self._event(reader, record)
                if not window.takes(event, self._limits, most=rate.most_events):
                    await self._queue(window, rate)
                    window = ShippedWindow()
                window.append(event)
            if window.events:
                await self._queue(window, rate)
                window = ShippedWindow()
            if not self._settings.follow:
                return
            if found:
                quiet_since = time.monotonic()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _queue(self, window: ShippedWindow, rate: SendRate) -> None:
        self.progress.read += len(window.events)
        await rate.wait(len(window.events))
        await self._read.put(window)

    def _records(self, *, flush: bool) -> Iterator[tuple[RecordReader, Record]]:
        for path, reader in list(self._readers.items()):
            for record in reader.read(to_the_end=not self._settings.follow):
                yield reader, record
            if flush:
                for record in reader.flush():
                    yield reader, record
            if self._settings.follow and reader.was_replaced():
                # What was still written to the old file before it was renamed.
                for record in reader.read(to_the_end=True):
                    yield reader, record
                reader.close()
                self._readers[path] = RecordReader(path)

    def _event(self, reader: RecordReader, record: Record) -> ShippedEvent:
        return ShippedEvent(
            payload=self._events.make(record, reader, self._settings.files[reader.path]),
            path=reader.path,
            place=FilePlace(reader.device, reader.inode, record.end),
            file_bytes=record.end - record.begin,
        )


def _words(error: Exception, timeout_seconds: float) -> str:
    """Why a connection failed or ended, without numbers and addresses of the library."""
    if isinstance(error, TimeoutError) and not error.errno:
        return f"no answer for {timeout_seconds:g} s (--timeout)"
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _hint(window: ShippedWindow) -> str:
    """Suggest a cure for a window on which the server closes each time."""
    size = f"{len(window.events)} events, {window.payload_bytes} bytes as JSON"
    if len(window.events) > 1:
        cure = "a smaller --window may get through"
    else:
        cure = "a window of one event cannot be cut smaller"
    return (
        f"the first window not acked holds {size}; the server's log says why it closed: if "
        f"beats.limits.window_bytes or beats.limits.window_events is the reason, {cure}"
    )


class SendRate:
    """Spreads events over time for ``--rate``; small windows are sent more often."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = time.monotonic()

    @property
    def most_events(self) -> int | None:
        """Most events of a window: those of a fifth of a second."""
        return None if self._rate is None else max(1, int(self._rate / 5))

    async def wait(self, events: int) -> None:
        if self._rate is None:
            return
        now = time.monotonic()
        self._due = max(self._due, now - 1.0)
        if self._due > now:
            await asyncio.sleep(self._due - now)
        self._due += events / self._rate


class EventMaker:
    """Wraps records as Filebeat's filestream input does."""

    def __init__(self, group: str, agent_id: str) -> None:
        host = socket.gethostname()
        agent = {
            "id": agent_id,
            "name": host,
            "type": "ptingest-send",
            "version": version("ptingest"),
            "ephemeral_id": str(uuid.uuid4()),
        }
        self._constant = constant_fields(agent=agent, host={"name": host}, group=group)
        self._metadata = {"beat": "ptingest", "type": "_doc", "version": version("ptingest")}

    def make(self, record: Record, reader: RecordReader, service: str) -> bytes:
        """Return one event as JSON."""
        file = {
            "path": os.fspath(reader.path),
            "device_id": str(reader.device),
            "inode": str(reader.inode),
        }
        return filebeat_event(
            record.text,
            at=datetime.now(UTC),
            fields={"service": service, **self._constant},
            metadata=self._metadata,
            log={"offset": record.begin, "file": file},
        )


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close and wait for the peer, as TLS requires, for a limited time.

    A transport that is still open when the loop ends would never be closed.
    """
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
        await asyncio.sleep(0)  # the transport closes its socket in the next iteration

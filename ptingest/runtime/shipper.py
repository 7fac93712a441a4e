"""A Beat of our own: files in, windows out, places kept only for what was acked.

    files --> records --> events --> windows --> (unacked) --> acks --> registry

Like Filebeat it resends every window that was not acked, whole and in order, on a new
connection. An event is built once, so a window resent is the window sent.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.client import ClientConnection
from ptingest.runtime.records import FilePlace, Record, RecordReader
from ptingest.runtime.registry import Registry

FOLLOW_SECONDS = 0.25
FLUSH_SECONDS = 1.0
"""A followed record waits this long for continuation lines."""
SAVE_SECONDS = 0.5
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipperSettings:
    """What to ship, whereto and how fast."""

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
    failure: str | None = None

    @property
    def is_all_acked(self) -> bool:
        return self.read == self.acked


@dataclass(slots=True)
class ShippedWindow:
    """A window until its ack: its events, and the places it moves the registry to."""

    payloads: list[bytes] = field(default_factory=list)
    places: dict[Path, FilePlace] = field(default_factory=dict)
    size: int = 0
    was_sent: bool = False


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
        self._began = time.monotonic()
        self._progress_at = self._began

    async def run(self) -> None:
        """Ship until all is acked (or for ever with ``follow``); ``progress`` tells how it went."""
        self._open_files()
        # Reading has a task of its own: a connection that dies must not take it along.
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
                await reading  # raises what went wrong with a file
                return

    def _open_files(self) -> None:
        for path in self._settings.files:
            place = None if self._settings.again else self._registry.place(path)
            reader = RecordReader(path, place)
            self._readers[path] = reader
            self.progress.bytes_total += max(0, reader.size - reader.position)

    async def _may_try_again(self, error: Exception, failures: int) -> bool:
        where = f"{self._settings.host}:{self._settings.port}"
        if isinstance(error, ssl.SSLError):
            self.progress.failure = (
                f"no TLS with {where}: {error}; is --tls-ca its authority, does its certificate "
                "hold this name, does it want --tls-cert?"
            )
            return False
        if not self.progress.connections:
            self.progress.failure = (
                f"nobody answers at {where}: {error}; is the server running, and is this its "
                "beats.listen?"
            )
            return False
        stuck = time.monotonic() - self._progress_at
        if stuck > self._settings.patience_seconds:
            self.progress.failure = f"{where} acked nothing for {stuck:.0f} s (--patience): {error}"
            if self._settings.tls is not None and not self.progress.acked:
                # Python's servers close on a certificate they refuse, and do not say why.
                self.progress.failure += "; does it want another --tls-cert? Its log says why"
            return False
        await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
        return True

    # -- one connection ------------------------------------------------------------------

    async def _ship(self) -> None:
        settings = self._settings
        reader, writer = await asyncio.open_connection(
            settings.host, settings.port, ssl=settings.tls
        )
        self.progress.connections += 1
        wire = ClientConnection(compression_level=self._settings.compression)
        slots = asyncio.Semaphore(self._settings.pipelining + 1)
        acks = asyncio.ensure_future(self._take_acks(reader, wire, slots))
        sending = asyncio.ensure_future(self._send_all(writer, wire, slots))
        try:
            await asyncio.wait((acks, sending), return_when=asyncio.FIRST_COMPLETED)
            if acks.done():
                acks.result()  # raises why the connection is over
            await sending
            while self._unacked:
                await asyncio.wait((acks,), timeout=0.01)
                if acks.done():
                    acks.result()
        finally:
            for task in (acks, sending):
                task.cancel()
            await asyncio.gather(acks, sending, return_exceptions=True)
            writer.close()

    async def _send_all(
        self,
        writer: asyncio.StreamWriter,
        wire: ClientConnection,
        slots: asyncio.Semaphore,
    ) -> None:
        for again in list(self._unacked):
            await slots.acquire()
            self.progress.resent += len(again.payloads) if again.was_sent else 0
            await self._send(writer, wire, again)
        while not self._is_read_out:
            window = await self._read.get()
            if window is None:
                self._is_read_out = True
                return
            # It counts as unacked before anything can be interrupted, so it is never lost.
            self._unacked.append(window)
            await slots.acquire()
            await self._send(writer, wire, window)

    async def _send(
        self, writer: asyncio.StreamWriter, wire: ClientConnection, window: ShippedWindow
    ) -> None:
        window.was_sent = True
        writer.write(wire.send_window(window.payloads))
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
            self._show()

    def _acked(self, window: ShippedWindow) -> None:
        progress = self.progress
        progress.acked += len(window.payloads)
        progress.windows += 1
        progress.bytes_acked += window.size
        self._progress_at = time.monotonic()
        for path, place in window.places.items():
            self._registry.advance(path, place)
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
        """Queue windows as the files have records; None at the end where nothing is followed."""
        try:
            await self._queue_windows()
        finally:
            await self._read.put(None)

    async def _queue_windows(self) -> None:
        pace = Pace(self._settings.rate)
        limit = pace.window(self._settings.window)
        window = ShippedWindow()
        quiet_since = time.monotonic()
        while True:
            found = False
            flush = time.monotonic() - quiet_since >= FLUSH_SECONDS
            for reader, record in self._records(flush=flush):
                found = True
                self._append(window, reader, record)
                if len(window.payloads) >= limit:
                    await pace.wait(len(window.payloads))
                    await self._read.put(window)
                    window = ShippedWindow()
            if window.payloads:
                await pace.wait(len(window.payloads))
                await self._read.put(window)
                window = ShippedWindow()
            if not self._settings.follow:
                return
            if found:
                quiet_since = time.monotonic()
            await asyncio.sleep(FOLLOW_SECONDS)

    def _records(self, *, flush: bool) -> Iterator[tuple[RecordReader, Record]]:
        for path, reader in list(self._readers.items()):
            for record in reader.read(to_the_end=not self._settings.follow):
                yield reader, record
            if flush:
                for record in reader.flush():
                    yield reader, record
            if self._settings.follow and reader.was_replaced():
                # Whatever was still written to the old file before it was moved away.
                for record in reader.read(to_the_end=True):
                    yield reader, record
                reader.close()
                self._readers[path] = RecordReader(path)

    def _append(self, window: ShippedWindow, reader: RecordReader, record: Record) -> None:
        service = self._settings.files[reader.path]
        window.payloads.append(self._events.make(record, reader, service))
        window.places[reader.path] = FilePlace(reader.device, reader.inode, record.end)
        window.size += record.end - record.begin
        self.progress.read += 1


class Pace:
    """Spreads events over time for ``--rate``; windows shrink so that they leave often."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = time.monotonic()

    def window(self, wanted: int) -> int:
        """Events a window: at most a fifth of a second's worth."""
        return wanted if self._rate is None else max(1, min(wanted, int(self._rate / 5)))

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
        self._constant = {
            "agent": {
                "id": agent_id,
                "name": host,
                "type": "ptingest-send",
                "version": version("ptingest"),
                "ephemeral_id": str(uuid.uuid4()),
            },
            "ecs": {"version": "8.0.0"},
            "host": {"name": host},
            "input": {"type": "filestream"},
            "group": group,
        }
        self._metadata = {"beat": "ptingest", "type": "_doc", "version": version("ptingest")}

    def make(self, record: Record, reader: RecordReader, service: str) -> bytes:
        """Return one event as JSON; invalid UTF-8 is replaced, as Filebeat does."""
        log: dict[str, object] = {
            "offset": record.begin,
            "file": {
                "path": os.fspath(reader.path),
                "device_id": str(reader.device),
                "inode": str(reader.inode),
            },
        }
        if record.is_multiline:
            log["flags"] = ["multiline"]
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return orjson.dumps(
            {
                "@timestamp": now.replace("+00:00", "Z"),
                "@metadata": self._metadata,
                "message": record.text.decode(errors="replace"),
                "log": log,
                "service": service,
                **self._constant,
            }
        )

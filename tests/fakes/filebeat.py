"""Filebeat as a shipper: libbeat's habits on the wire, for events known by number.

    window cut (slow start) --> rendered anew at each send --> acked: on_acked(numbers)
          ^                                                 --> any error: whole windows again

Pipelining N leaves N + 1 windows unacked, and 0 waits for each ack. Any ack frame restarts
the read timer. After an error every window in flight is sent again, the same events in the
same order, though not always in the same order of windows, after a backoff that doubles.
``crash`` is what kill -9 and a registry flushed a little earlier make of it: a new process
that ships again what the old one had seen acked.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ptingest.errors import PeerClosed, ProtocolError
from ptingest.lumberjack.client import ClientConnection
from tests.support.tcp import close

SLOW_START_EVENTS = 10
RECENT_WINDOWS = 3
"""Windows whose acks a crash may make the registry forget."""

Render = Callable[[Sequence[int], random.Random, int], list[bytes]]
"""Numbers, chance and the life of the process -> payloads, in map order of the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """The settings of one ``output.logstash``."""

    pipelining: int = 2
    bulk_max_size: int = 2048
    slow_start: bool = False
    compression_level: int = 3
    timeout_seconds: float = 30.0
    backoff_init_seconds: float = 0.02
    backoff_max_seconds: float = 1.0


class Filebeat:
    """One connection at a time to one address, until everything is acked."""

    def __init__(
        self,
        port: int,
        *,
        render: Render,
        on_acked: Callable[[Sequence[int]], None],
        chance: random.Random,
        habits: Habits,
        host: str = "127.0.0.1",
        local_host: str | None = None,
    ) -> None:
        self.host, self.port, self.habits = host, port, habits
        self._local = None if local_host is None else (local_host, 0)
        self._render, self._on_acked, self._chance = render, on_acked, chance
        self._size = SLOW_START_EVENTS if habits.slow_start else habits.bulk_max_size
        self._again: deque[Sequence[int]] = deque()
        self._recent: deque[Sequence[int]] = deque(maxlen=RECENT_WINDOWS)
        self._life = self._failures = 0
        self._writer: asyncio.StreamWriter | None = None
        self._is_crashed = False
        self.connections = self.keepalives = self.resent_events = self.timeouts = 0
        self.last_error: Exception | None = None

    async def ship(self, numbers: Iterable[int]) -> None:
        """Return when every event is acked; cancel it to give up."""
        source = iter(numbers)
        while not await self._is_done_after_attempt(source):
            longest = min(
                self.habits.backoff_max_seconds,
                self.habits.backoff_init_seconds * 2 ** min(self._failures, 20),
            )
            # no race: as Filebeat waits
            await asyncio.sleep(longest * (0.5 + self._chance.random() / 2))

    def crash(self) -> None:
        """Die without a word; the next process begins with an older registry."""
        self._is_crashed = True
        if self._writer is not None:
            self._writer.transport.abort()

    async def _is_done_after_attempt(self, source: Iterator[int]) -> bool:
        in_flight: deque[Sequence[int]] = deque()
        is_through = False
        try:
            await self._attempt(source, in_flight)
            is_through = True
        except (OSError, ProtocolError, PeerClosed, TimeoutError) as error:
            self.timeouts += isinstance(error, TimeoutError)
            self.last_error = error
            self._failures += 1
            if self.habits.slow_start:
                self._size = max(1, self._size // 2)
        finally:
            self._line_up(in_flight)
        return is_through and not self._again

    def _line_up(self, in_flight: deque[Sequence[int]]) -> None:
        windows = list(in_flight)
        self.resent_events += sum(map(len, windows))
        if self._is_crashed:
            windows = [*self._recent, *windows]
            self._recent.clear()
            self._life += 1
            self._is_crashed = False
        if self._chance.random() < 0.3:
            self._chance.shuffle(windows)
        self._again.extendleft(reversed(windows))

    async def _attempt(self, source: Iterator[int], in_flight: deque[Sequence[int]]) -> None:
        """Ship over one connection until nothing is left, or an error."""
        reader, writer = await asyncio.open_connection(self.host, self.port, local_addr=self._local)
        self.connections += 1
        self._writer = writer
        wire = ClientConnection(compression_level=self.habits.compression_level)
        try:
            while self._fill(source, in_flight, wire, writer):
                async with asyncio.timeout(self.habits.timeout_seconds):
                    await writer.drain()
                    data = await reader.read(4096)
                if not data:
                    wire.receive_eof()
                for progress in wire.receive_data(data):
                    if progress.is_complete:
                        self._note_acked(in_flight.popleft())
        finally:
            self.keepalives += wire.keepalives
            self._writer = None
            await close(writer)

    def _fill(
        self,
        source: Iterator[int],
        in_flight: deque[Sequence[int]],
        wire: ClientConnection,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Put as many windows in flight as the habits allow; False when nothing is left."""
        while len(in_flight) <= self.habits.pipelining:
            window = self._again.popleft() if self._again else list(islice(source, self._size))
            if not window:
                break
            in_flight.append(window)
            writer.write(wire.send_window(self._render(window, self._chance, self._life)))
        return bool(in_flight)

    def _note_acked(self, window: Sequence[int]) -> None:
        self._failures = 0
        self._recent.append(window)
        if self.habits.slow_start:
            self._size = min(self.habits.bulk_max_size, self._size + max(1, self._size // 2))
        self._on_acked(window)

"""A sender that costs next to nothing: windows made and compressed before, sent byte for byte.

go-lumber compresses while it sends, some 11 microseconds an event, on a core that the server
could use. Here one loop puts whole windows on several connections, keeps so many of them
unacked on each, and reads acks; what is still to be sent lies in one queue, so that no
connection is left with work when the others are done.

What is measured lies between two moments: when the first windows were acked, and when there
was nothing left to put on the wire. Before the first the road is not full yet, after the
second some connections have less to do than others.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Generic, NamedTuple, TypeVar

from benchmarks import corpus

Look = TypeVar("Look")

ACK_BYTES = 6
SECONDS = 120.0
"""When no ack comes for so long the run is worth nothing."""


class Window(NamedTuple):
    """A window as it goes over the wire."""

    wire: bytes
    events: int


class NotAcked(Exception):
    """The server closed a connection, broke the format, or did not ack in time."""


class Moment(NamedTuple, Generic[Look]):
    """What was so at one moment of a replay."""

    at: float
    """Monotonic seconds."""
    acked: int
    """Events, in whole windows."""
    look: Look


class Replayed(NamedTuple, Generic[Look]):
    """A replay in which every window was acked."""

    begin: Moment[Look]
    end: Moment[Look]
    events: int
    """All of them, those before and after included."""

    @property
    def events_between(self) -> int:
        return self.end.acked - self.begin.acked

    @property
    def events_per_second(self) -> float:
        return self.events_between / (self.end.at - self.begin.at)


def prepare(events: int, seed: int, *, batch: int = 2_048, compression: int = 3) -> list[Window]:
    """Windows of ``events`` in all; no two events are alike, so none is a double of another."""
    made = corpus.events(events, seed)
    cuts = [made[at : at + batch] for at in range(0, events, batch)]
    return [Window(corpus.window(cut, compression), len(cut)) for cut in cuts]


class _Road:
    """One connection: what is on its way out, and what is not acked."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self.socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS))
        self.socket.setblocking(False)
        self.unacked: deque[int] = deque()
        self._out = memoryview(b"")
        self._in = b""

    @property
    def is_writing(self) -> bool:
        return bool(self._out)

    def put(self, window: Window) -> None:
        self.unacked.append(window.events)
        self._out = memoryview(bytes(self._out) + window.wire)
        self.write()

    def write(self) -> None:
        try:
            while self._out:
                self._out = self._out[self.socket.send(self._out) :]
        except BlockingIOError:
            return
        except ConnectionError:
            raise self._is_closed() from None

    def read(self) -> int:
        """Events acked by what has come."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise self._is_closed()
        data = self._in + data
        whole = len(data) - len(data) % ACK_BYTES
        self._in = data[whole:]
        acked = 0
        for kind, seq in struct.iter_unpack(">2sI", data[:whole]):
            if kind != b"2A" or not self.unacked or seq > self.unacked[0]:
                raise NotAcked(f"no ack that could be meant: {kind!r} {seq}")
            if seq == self.unacked[0]:  # else a keepalive
                acked += self.unacked.popleft()
        return acked

    def _is_closed(self) -> NotAcked:
        return NotAcked(f"connection closed with {len(self.unacked)} windows unacked")


def replay(
    ports: Sequence[int],
    windows: Sequence[Window],
    *,
    look: Callable[[], Look],
    warm_up: int,
    connections: int = 4,
    on_wire: int = 3,
) -> Replayed[Look]:
    """Send every window once and wait for all acks.

    ``connections`` are opened to the ports in turn, each has up to ``on_wire`` windows
    unacked. ``look`` is called twice: when ``warm_up`` windows were acked, and when the last
    window was put on the wire.

    Raises:
        NotAcked: some window was not.
    """
    queue, acked, total = deque(windows), 0, sum(window.events for window in windows)
    first = sum(window.events for window in windows[:warm_up])
    begin: Moment[Look] | None = None
    end: Moment[Look] | None = None
    with ExitStack() as stack:
        roads = [_Road(ports[number % len(ports)], stack) for number in range(connections)]
        selector = stack.enter_context(selectors.DefaultSelector())
        for road in roads:
            selector.register(road.socket, selectors.EVENT_READ, road)
        until = time.monotonic() + SECONDS
        while acked < total:
            for road in roads:
                while queue and len(road.unacked) < on_wire:
                    road.put(queue.popleft())
                wanted = selectors.EVENT_READ | selectors.EVENT_WRITE * road.is_writing
                selector.modify(road.socket, wanted, road)
            if begin is None and acked >= first:
                begin = Moment(time.monotonic(), acked, look())
            if end is None and not queue:
                end = Moment(time.monotonic(), acked, look())
            came = _turn(selector)
            acked += came
            now = time.monotonic()
            until = now + SECONDS if came else until
            if now > until:
                raise NotAcked(f"{acked} of {total} events acked, then nothing for {SECONDS:g} s")
    if begin is None or end is None or end.acked <= begin.acked:
        raise ValueError("too few windows: nothing lies between the first acks and the last window")
    return Replayed(begin, end, total)


def _turn(selector: selectors.BaseSelector) -> int:
    """Do what sockets are ready for; events acked."""
    acked = 0
    for key, ready in selector.select(1.0):
        road: _Road = key.data
        if ready & selectors.EVENT_WRITE:
            road.write()
        if ready & selectors.EVENT_READ:
            acked += road.read()
    return acked

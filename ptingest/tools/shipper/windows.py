"""The windows of the shipping client: their limits, and how they are cut smaller.

The client does not know the limits of the server (``beats.limits``), which only closes when one
is exceeded. So windows are limited in events and bytes, and halved after a connection that ended
before the ack of its first window, as Filebeat's slow start does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ptingest.tools.shipper.file_reader import FilePlace

WINDOW_BYTES = 8 << 20
"""Bytes of the events of one window as JSON; a larger event is a window of its own."""
ACKS_TO_GROW = 16
"""Windows acked in a row before the next may be twice as large."""


class ShippedEvent(NamedTuple):
    """One event, and the position that its ack saves."""

    payload: bytes
    path: Path
    place: FilePlace
    file_bytes: int


class WindowLimits:
    """The current limits of a window: halved after a failure, doubled after a run of acks."""

    def __init__(self, events: int, payload_bytes: int = WINDOW_BYTES) -> None:
        self._most = self.events, self.payload_bytes = events, payload_bytes
        self._acks = 0

    def shrink(self, window: ShippedWindow) -> None:
        """Halve the limits, starting from the window that was not acked."""
        self.events = max(1, min(self.events, len(window.events)) // 2)
        self.payload_bytes = max(1, min(self.payload_bytes, window.payload_bytes) // 2)
        self._acks = 0

    def grow(self) -> None:
        """Count an ack; after ``ACKS_TO_GROW`` in a row the limits are doubled."""
        self._acks += 1
        if self._acks >= ACKS_TO_GROW:
            self._acks = 0
            self.events = min(2 * self.events, self._most[0])
            self.payload_bytes = min(2 * self.payload_bytes, self._most[1])


class ShippedWindow:
    """A window until its ack."""

    def __init__(self, *, was_sent: bool = False) -> None:
        self.events: list[ShippedEvent] = []
        self.payload_bytes = 0
        self.was_sent = was_sent

    def takes(self, event: ShippedEvent, limits: WindowLimits, most: int | None = None) -> bool:
        """Whether this event fits; ``most`` is one more limit of events."""
        events = limits.events if most is None else min(limits.events, most)
        return not self.events or (
            len(self.events) < events
            and self.payload_bytes + len(event.payload) <= limits.payload_bytes
        )

    def append(self, event: ShippedEvent) -> None:
        """Add an event, in the order of its file."""
        self.events.append(event)
        self.payload_bytes += len(event.payload)

    def cut(self, limits: WindowLimits) -> Iterator[ShippedWindow]:
        """Yield the same events in windows that keep to the limits."""
        part = ShippedWindow(was_sent=self.was_sent)
        for event in self.events:
            if not part.takes(event, limits):
                yield part
                part = ShippedWindow(was_sent=self.was_sent)
            part.append(event)
        yield part

"""The windows of one connection between their first frame and their ack, in wire order."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ptingest.lumberjack.frames import ack_bytes
from ptingest.model.receipt import Receipt


class OpenWindow:
    """A window between its first frame and its final ack."""

    __slots__ = ("began_at", "events", "last_seq", "receipt", "safe", "sealed_at", "version")

    def __init__(self, version: int, began_at: float) -> None:
        self.version = version
        self.began_at = began_at
        self.last_seq = 0
        self.events = 0
        self.safe = False
        """Every event of it is settled; it may be acked."""
        self.sealed_at: float | None = None
        """When its last event was admitted; None before."""
        self.receipt: Receipt


class EarnedAcks(NamedTuple):
    """Acks that may leave now."""

    wire: bytes
    seconds: list[float]
    """How long each took from the end of its window's admission."""


class AckQueue(deque[OpenWindow]):
    """Windows in wire order; acks are taken from the front only.

    Acks are cumulative for the peer, so a window that is safe waits for those before it.
    """

    __slots__ = ("filling",)

    def __init__(self) -> None:
        super().__init__()
        self.filling: OpenWindow | None = None
        """The last one, while events of it are missing."""

    @property
    def oldest_began_at(self) -> float | None:
        """When the window at the front began; None where there is none."""
        return self[0].began_at if self else None

    def begin(self, version: int, now: float) -> OpenWindow:
        """Append a window whose first events were cut."""
        window = self.filling = OpenWindow(version, now)
        self.append(window)
        return window

    def complete(self, window: OpenWindow, last_seq: int, now: float) -> None:
        """Every event of ``window`` was admitted."""
        window.last_seq, window.sealed_at = last_seq, now
        self.filling = None

    def drop_filling(self) -> OpenWindow | None:
        """Remove and return the window whose last events will not come; None without one."""
        window, self.filling = self.filling, None
        if window is not None and window in self:
            self.remove(window)
        return window

    def take_all(self) -> list[OpenWindow]:
        """Remove and return every window: none of them will be acked."""
        windows = list(self)
        self.clear()
        self.filling = None
        return windows

    def take_earned(self, now: float) -> EarnedAcks:
        """Remove the safe windows at the front and return their acks."""
        wire, seconds = bytearray(), []
        while self and self[0].safe:
            window = self.popleft()
            if (trace := window.receipt.trace) is not None:
                trace.acked_at = now
            wire += ack_bytes(window.version, window.last_seq)
            seconds.append(now - (window.sealed_at or now))
        return EarnedAcks(bytes(wire), seconds)

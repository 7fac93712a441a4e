"""Windows between their first frame and their ack, in wire order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

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
        self.sealed_at: float | None = None
        self.receipt: Receipt


def take_earned_acks(
    windows: deque[OpenWindow], now: float, acked: Callable[[float], None]
) -> bytes:
    """Take the windows from the front that are safe, and return their acks.

    Acks are cumulative for the peer, so they leave in wire order even when a later window
    reached its sink first. ``acked`` hears how long each of them took.
    """
    out = bytearray()
    while windows and windows[0].safe:
        window = windows.popleft()
        if (trace := window.receipt.trace) is not None:
            trace.acked_at = now
        out += ack_bytes(window.version, window.last_seq)
        acked(now - (window.sealed_at or now))
    return bytes(out)

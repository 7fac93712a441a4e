"""When a keepalive (ack 0) is due while a window waits."""

from __future__ import annotations


class Keepalive:
    """Due an interval after the first frame of a window, and after each ack and keepalive."""

    __slots__ = ("_since",)

    def __init__(self, now: float) -> None:
        self._since = now

    def wrote(self, now: float) -> None:
        """An ack or a keepalive was written."""
        self._since = now

    def window_began(self, at: float) -> None:
        """A window began at ``at`` and no other was waiting."""
        self._since = max(self._since, at)

    def is_due(self, now: float, interval: float) -> bool:
        """Whether ``interval`` seconds have passed."""
        return now - self._since >= interval

"""Whether a connection is read, and what waits in the kernel while it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

WINDOW_START: Final = b"2W"
"""How a version 2 window begins."""


class ReadGate:
    """Opened and closed by the receive budget; looks at unread bytes without taking them."""

    __slots__ = ("_peek", "is_open", "unread_since")

    def __init__(self, peek: Callable[[int], bytes]) -> None:
        """``peek`` returns that many of the bytes that wait in the kernel, and leaves them."""
        self._peek = peek
        self.is_open = True
        self.unread_since: float | None = None
        """Since when a window waits in the kernel; None where none was seen there."""

    def open(self) -> None:
        self.is_open = True
        self.unread_since = None

    def close(self) -> None:
        self.is_open = False

    @property
    def keeps_peer_waiting(self) -> bool:
        """Bytes of the peer wait because they are not read."""
        return not self.is_open and bool(self._peek(1))

    def has_unread_window(self, now: float, *, is_version_2: bool, is_encrypted: bool) -> bool:
        """Whether a version 2 window waits in the kernel because the gate is closed.

        Of a TLS connection only the presence of bytes is visible, so any bytes count where
        the peer is known to speak version 2 (``is_version_2``).
        """
        if self.is_open:
            return False
        start = self._peek(len(WINDOW_START))
        is_window = bool(start) and is_version_2 if is_encrypted else start == WINDOW_START
        if is_window and self.unread_since is None:
            self.unread_since = now
        return is_window

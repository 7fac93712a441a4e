"""How long a peer may take: for its first byte, a frame, a window, or the next window.

Only time in which we wait for the peer counts. While its window is worked on, or its bytes wait
in the kernel because we do not read them, no deadline runs.

A frame and a window are timed from their first byte. In each ``frame_seconds`` (for a window, in
each ``window_seconds``) the peer must complete it or send ``min_bytes_per_second``. So a slow
line is served as long as it takes, and a peer that sends a byte now and then is not.
"""

from __future__ import annotations

from typing import NamedTuple

from ptingest.settings.beats import BeatsLimits

UNREAD_ACKS_BYTES = 64 << 10
"""Acks are 6 bytes; a peer that leaves so many bytes of them unread does not read at all."""


class Expired(NamedTuple):
    """A deadline that has passed: its label in metrics, and its text in the log."""

    reason: str
    text: str


class PeerActivity(NamedTuple):
    """What a peer has done and has to do, at one look."""

    owes: bool
    """We wait for the peer: nothing of its bytes is worked on or waits unread."""
    bytes: int
    """Received so far."""
    frame: int | None
    """The number of the frame that was begun and is not whole; None between frames."""
    window: int | None
    """The number of the window that was begun and is not complete; None between windows."""
    holds_windows: bool
    """Windows of it wait for their ack, so it does not have to send anything."""


class _Progress:
    """The time and bytes of one frame or window that must make progress."""

    __slots__ = ("_bytes", "_number", "_seconds")

    def __init__(self) -> None:
        self._number: int | None = None
        self._seconds, self._bytes = 0.0, 0

    def is_late(
        self, number: int | None, seconds: float, received: int, *, each: float, rate: float
    ) -> bool:
        """Add ``seconds``; return whether too few bytes came in the last ``each`` seconds."""
        if number is None or number != self._number:
            self._number, self._seconds, self._bytes = number, 0.0, received
            return False
        self._seconds += seconds
        if self._seconds < each:
            return False
        brought, self._bytes = received - self._bytes, received
        self._seconds = 0.0
        return brought < each * rate


class ReadDeadlines:
    """All deadlines of one connection; looked at twice a second."""

    __slots__ = ("_bytes", "_frame", "_looked_at", "_silent", "_window")

    def __init__(self, now: float) -> None:
        self._looked_at = now
        self._bytes = 0
        self._silent = 0.0
        self._frame, self._window = _Progress(), _Progress()

    def look(self, now: float, seen: PeerActivity, limits: BeatsLimits) -> Expired | None:
        """Add the time since the last look; return the first deadline that has passed, or None."""
        passed, self._looked_at = now - self._looked_at, now
        if not seen.owes:
            passed = 0.0
        if seen.bytes != self._bytes:
            self._bytes, self._silent = seen.bytes, 0.0
        else:
            self._silent += passed
        rate = limits.min_bytes_per_second
        is_frame_late = self._frame.is_late(
            seen.frame, passed, seen.bytes, each=limits.frame_seconds, rate=rate
        )
        is_window_late = self._window.is_late(
            seen.window, passed, seen.bytes, each=limits.window_seconds, rate=rate
        )
        if not seen.owes:
            return None
        if not seen.bytes:
            return self._nothing_yet(limits)
        if seen.frame is not None and self._silent >= limits.frame_seconds:
            return Expired(
                "frame_timeout", "a frame was not continued (beats.limits.frame_seconds)"
            )
        if is_frame_late or is_window_late:
            return _too_slow("frame" if is_frame_late else "window", limits)
        if seen.window is None and not seen.holds_windows and self._silent >= limits.idle_seconds:
            return Expired("idle", "idle (beats.limits.idle_seconds)")
        return None

    def heard(self) -> None:
        """An ack was written: idle time is counted from now."""
        self._silent = 0.0

    def _nothing_yet(self, limits: BeatsLimits) -> Expired | None:
        if self._silent < limits.first_byte_seconds:
            return None
        return Expired("first_byte_timeout", "nothing came (beats.limits.first_byte_seconds)")


def _too_slow(what: str, limits: BeatsLimits) -> Expired:
    seconds = limits.frame_seconds if what == "frame" else limits.window_seconds
    return Expired(
        f"{what}_timeout",
        f"a {what} was not completed, and {seconds:g} s (beats.limits.{what}_seconds) brought less "
        f"than {limits.min_bytes_per_second} bytes a second (beats.limits.min_bytes_per_second)",
    )


class Writes:
    """Whether a peer reads what we write to it."""

    __slots__ = ("_unwritten_since",)

    def __init__(self) -> None:
        self._unwritten_since: float | None = None

    def are_stuck(self, now: float, unwritten: int, seconds: float) -> bool:
        """Whether ``unwritten`` bytes are too many, or some have waited for ``seconds``."""
        if unwritten == 0:
            self._unwritten_since = None
            return False
        if self._unwritten_since is None:
            self._unwritten_since = now
        return unwritten > UNREAD_ACKS_BYTES or now - self._unwritten_since >= seconds


class QuietPeriod:
    """Silence of a peer after which its part-filled window may be taken for complete."""

    __slots__ = ("_heard_at", "_is_reported")

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self._is_reported = False

    def heard(self, now: float) -> None:
        """Bytes came, an ack left, or reading was resumed."""
        self._heard_at, self._is_reported = now, False

    def has_passed(self, now: float, seconds: float) -> bool:
        """Whether ``seconds`` of silence are over; True only once for each silence."""
        if self._is_reported or now - self._heard_at < seconds:
            return False
        self._is_reported = True
        return True

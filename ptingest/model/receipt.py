"""Tracks when all events of a window are settled.

A receipt knows neither the socket nor the sink. A window may be acked when its receipt
was sealed, everything expected was settled, and nothing failed.

    expect(n) ... seal()      the flow: n more fates will be decided; no more will come
    settle(n) / fail(reason)  the lane: n fates are safe; the window must not be acked

``on_closed`` is called exactly once, synchronously, by whichever verb closes the
receipt: sealed with all settled (``failed`` is None), or at once on the first failure.
After a failure later ``settle`` calls are counted and otherwise ignored, since documents
in flight finish on their own.
"""

from __future__ import annotations

from collections.abc import Callable


class WindowTrace:
    """What an observer records of one window; the receipt does not depend on it."""

    __slots__ = ("acked_at", "began_at", "events", "last_seq", "number")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        """When the window's first chunk was processed; monotonic, as ``acked_at``."""
        self.events = 0
        """Events of the window that were processed so far."""
        self.number: int | None = None
        """Number of the window in its connection, known once the window is complete."""
        self.last_seq: int | None = None
        self.acked_at: float | None = None
        """When its ack was sent."""


class Receipt:
    """Counts the fates of one window's events; not thread-safe, used on one loop."""

    __slots__ = (
        "_on_closed", "_open", "_sealed", "closed", "failed", "fates", "give_way", "sender",
        "trace",
    )  # fmt: skip

    def __init__(self, on_closed: Callable[[Receipt], None], sender: str = "") -> None:
        self._on_closed = on_closed
        self.sender = sender
        """Address and port of the peer that waits for the ack; "" when there is none."""
        self._open = 0
        self._sealed = False
        self.closed = False
        self.failed: str | None = None
        self.fates: list[str] | None = None
        """Every settled fate, in order; None unless the receipt's owner sets it to a list."""
        self.give_way: Callable[[], None] | None = None
        """Releases the resources that the source holds for this window and that other windows
        wait for; called where admission takes long. A second call does nothing."""
        self.trace: WindowTrace | None = None
        """The observer's record of the window; None when there is no observer."""

    @property
    def open(self) -> int:
        """Fates still expected."""
        return self._open

    def expect(self, count: int) -> None:
        """Expect ``count`` more fates; only before ``seal``."""
        if self._sealed:
            raise AssertionError("expect after seal")
        self._open += count

    def seal(self) -> None:
        """No more fates will be expected; closes at once when none is open."""
        self._sealed = True
        self._close_when_done()

    def settle(self, count: int, fate: str = "") -> None:
        """``count`` fates are decided and safe; all of them are ``fate``."""
        if self.fates is not None:
            self.fates += [fate] * count
        self._open -= count
        if self._open < 0:
            raise AssertionError("more settled than expected")
        self._close_when_done()

    def fail(self, reason: str) -> None:
        """The window must not be acked; the first reason is kept."""
        if self.closed:
            return
        self.failed = reason
        self._close()

    def _close_when_done(self) -> None:
        if self._sealed and self._open == 0 and not self.closed:
            self._close()

    def _close(self) -> None:
        self.closed = True
        # It is called once and then released: receipts outlive connections, and this reference
        # would keep the objects of their connection alive.
        on_closed, self._on_closed = self._on_closed, _over
        self.give_way = None
        on_closed(self)


def _over(_: Receipt) -> None:
    """Replaces the callback of a closed receipt."""
    raise AssertionError("closed twice")

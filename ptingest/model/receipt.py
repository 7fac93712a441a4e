"""The slip that counts a window home.

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


class Receipt:
    """Counts the fates of one window's events; not thread-safe, lives on one loop."""

    __slots__ = (
        "_on_closed", "_open", "_sealed", "acked_at", "began_at", "closed", "events", "failed",
        "fates", "give_way", "place", "sender",
    )  # fmt: skip

    def __init__(self, on_closed: Callable[[Receipt], None], sender: str = "") -> None:
        self._on_closed = on_closed
        self.sender = sender
        """Who waits for the ack: address and port, "" where nobody sends windows."""
        self._open = 0
        self._sealed = False
        self.closed = False
        self.failed: str | None = None
        self.fates: list[str] | None = None
        """Set to a list by who wants to know them: every fate settled, in order."""
        self.give_way: Callable[[], None] | None = None
        """Set by a source that holds something others wait for while its window is admitted;
        called by whoever makes that take long. Twice is once."""
        self.events = 0
        """Events of the window that were processed so far; this and the following are told to
        who asks what became of one, and decide nothing."""
        self.began_at = 0.0
        self.acked_at: float | None = None
        """When its ack left; monotonic, as ``began_at``."""
        self.place: tuple[int, int] | None = None
        """The number of the window on its connection, and its last seq."""

    @property
    def open(self) -> int:
        """Fates still expected."""
        return self._open

    def expect(self, count: int) -> None:
        """Promise ``count`` more fates; only before ``seal``."""
        if self._sealed:
            raise AssertionError("expect after seal")
        self._open += count

    def seal(self) -> None:
        """No more will be promised; closes at once when nothing is open."""
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
        """The window must not be acked; the first reason stays."""
        if self.closed:
            return
        self.failed = reason
        self._close()

    def _close_when_done(self) -> None:
        if self._sealed and self._open == 0 and not self.closed:
            self._close()

    def _close(self) -> None:
        self.closed = True
        # Called once, then let go: receipts are remembered longer than connections live, and
        # through it would keep whatever their connection holds.
        on_closed, self._on_closed = self._on_closed, _over
        self.give_way = None
        on_closed(self)


def _over(_: Receipt) -> None:
    """Stands where nobody is to be told any more."""
    raise AssertionError("closed twice")

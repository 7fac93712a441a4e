"""When a small batch leaves before it is due: at once, or after a short wait for company.

    a write is under way                          wait for its end (the lane knows when)
    the last small one left less than 50 ms ago   wait for the rest of them
        but one of its senders is back            leave: it sends window after window
    else                                          leave at once

A bulk costs as much as some ten documents in it here and more at the sink, and a window
of one event is nearly all bulk. A hundred Beats that each send a few events a second would
make a hundred bulks of them; so they make twenty. Whoever waits for one ack before sending
more is known by being in two small batches running, and is never kept waiting.
"""

from __future__ import annotations

from collections.abc import Iterable

WAIT_SECONDS = 0.05
"""As long as Logstash waits by default (``pipeline.batch.delay``), and only under traffic."""


class Linger:
    """What is known of the small batch that left last."""

    def __init__(self) -> None:
        self._left_at = float("-inf")
        self._senders: frozenset[str] = frozenset()

    def note_sent(self, senders: Iterable[str], now: float) -> None:
        """A small batch left, with windows of these senders."""
        self._left_at, self._senders = now, frozenset(senders)

    def sent_at(self, senders: Iterable[str]) -> float:
        """From when on the next one may leave, which has windows of these so far.

        Windows without a sender (``""``) come one at a time and wait for nobody.
        """
        known = self._senders
        if any(not sender or sender in known for sender in senders):
            return self._left_at
        return self._left_at + WAIT_SECONDS

"""When a small batch is sent before it is due: at once, or after a short wait for more.

    a write is in flight                          wait for its end (the lane knows when)
    the last small one was sent < 60 ms ago       wait for the rest of the 60 ms
        but one of its senders is here again      send: it waits for each ack
    else                                          send at once

A bulk costs as much as some ten documents in it here and more at the sink, and a window
of one event is nearly all overhead. A hundred Beats that each send a few events a second would
cause a hundred bulks a second; with the wait they cause seventeen. A sender that waits for each
ack is in two small batches in a row, and does not have to wait.
"""

from __future__ import annotations

from collections.abc import Iterable

WAIT_SECONDS = 0.06
"""Logstash waits for 50 ms by default (``pipeline.batch.delay``), at every batch; here it is only
under traffic. Each further 10 ms take a tenth off the CPU of a small window and delay its ack
by 5 ms; half of the acks must leave within 50 ms on a busy machine, too."""


class Linger:
    """What is known of the small batch that was sent last."""

    def __init__(self) -> None:
        self._sent_at = float("-inf")
        self._known = frozenset([""])
        """Its senders; ``""`` is always among them, so that windows without one do not wait."""

    def note_sent(self, senders: Iterable[str], now: float) -> None:
        """A small batch was sent, with windows of these senders."""
        self._sent_at, self._known = now, frozenset(["", *senders])

    def sent_at(self, senders: Iterable[str]) -> float:
        """Return when the next one may be sent, which has windows of these senders so far.

        Windows without a sender (``""``) come one at a time and do not wait.
        """
        return self._sent_at + (WAIT_SECONDS if self._known.isdisjoint(senders) else 0.0)

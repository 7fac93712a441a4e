"""A circuit breaker for each data stream in trouble, so that the others go on.

    trouble --> held, one small probe at a time --probe is taken--> all go on
                  |
                  | patience is over, or all held fill their share of the budget
                  v
                open: to the dead letters at once, a probe every 30 s --taken--> all go on
                  |
                  | a requeue: the operator says that the cause is cured
                  v
                half-open: held, a probe at once --taken--> all go on
                                                 --not----> open

Only probes decide that a trouble is over: an answer to a batch sent before the trouble began
says nothing. Nothing here waits: time and chance are arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from ptingest.delivery.batch import Batch, batch_of, cost_of
from ptingest.delivery.outcomes import Outcomes
from ptingest.delivery.retry import Backoff
from ptingest.model.document import Document, Target
from ptingest.model.outcome import Refusal

log = logging.getLogger(__name__)

PROBE_DOCUMENTS = 16
PROBE_SECONDS = 30.0
FORGET_SECONDS = 600.0
"""An open breaker whose stream got no document for this long is forgotten."""


class StreamBreaker:
    """One data stream that cannot take documents now."""

    def __init__(self, target: Target, now: float, probe_at: float) -> None:
        self.target = target
        self.reason = self.detail = ""
        self.held: list[Document] = []
        self.held_bytes = 0
        """What the held documents cost the budget."""
        self.since = self.last_seen = self.oldest = now
        self.probe_at = probe_at
        self.tries = 1
        self.probe_documents = PROBE_DOCUMENTS
        self.is_probing = False
        self.is_open = False
        self.is_half_open = False
        self.is_probe_stale = False
        """The probe in flight was sent before the cause was said to be cured."""

    def begun_sentence(self, patience_seconds: float) -> str:
        """Return the log line for the beginning of the trouble."""
        return (
            f"{self.target.kind} {self.target.name} is in trouble ({self.reason}: {self.detail}); "
            f"its documents wait up to {patience_seconds:g} s, then go to the dead letters, "
            "the others go on"
        )

    def opened_sentence(self) -> str:
        """Return the log line for an open breaker, with the cure."""
        return (
            f"{self.target.kind} {self.target.name} is still in trouble ({self.reason}: "
            f"{self.detail}); its documents go to the dead letters until it is mended, then "
            f"run: `ptingest dead-letters requeue --stream {self.target.name}`"
        )

    def status(self, now: float) -> dict[str, object]:
        """Return the stream's row of ``/status``."""
        return {
            "data_stream": self.target.name,
            "reason": self.reason,
            "detail": self.detail,
            "held_documents": len(self.held),
            "held_bytes": self.held_bytes,
            "is_open": self.is_open,
            "since_seconds": round(now - self.since, 3),
        }

    def hold(self, document: Document, now: float) -> None:
        """Keep a document until a probe is taken or patience is over."""
        if not self.held:
            self.oldest = now
        self.held.append(document)
        self.held_bytes += document.cost
        self.last_seen = now

    def take_held(self) -> list[Document]:
        """Return everything held and hold nothing."""
        held, self.held, self.held_bytes = self.held, [], 0
        return held

    def refuse(self, documents: Sequence[Document]) -> list[Refusal]:
        """Return these documents with the stream's trouble as the reason."""
        return [Refusal(document, self.reason, self.detail) for document in documents]


class StreamBreakers:
    """The breakers of one sink; usually none."""

    def __init__(
        self,
        sink: str,
        *,
        backoff: Backoff,
        patience_seconds: float,
        share_bytes: Callable[[], int],
    ) -> None:
        self._sink = sink
        self._backoff, self._patience_seconds, self._share = backoff, patience_seconds, share_bytes
        self._streams: dict[Target, StreamBreaker] = {}

    def __bool__(self) -> bool:
        return bool(self._streams)

    def __iter__(self) -> Iterator[StreamBreaker]:
        return iter(self._streams.values())

    def hold(self, refusals: Sequence[Refusal], now: float, chance: float) -> list[Refusal]:
        """Hold documents that were not taken because of their stream's trouble.

        Returns what is for the dead letters at once, since its stream's breaker is open.
        """
        begun, refused = [], []
        for refusal in refusals:
            target = refusal.document.target
            stream = self._streams.get(target)
            if stream is None:
                probe_at = now + self._backoff.seconds(1, chance)
                stream = self._streams[target] = StreamBreaker(target, now, probe_at)
                begun.append(stream)
            stream.reason, stream.detail = refusal.reason, refusal.detail
            if stream.is_open:
                refused.append(refusal)
            else:
                stream.hold(refusal.document, now)
        for stream in begun:
            log.warning("%s: %s", self._sink, stream.begun_sentence(self._patience_seconds))
        return refused

    def divert(self, batch: Batch, now: float) -> list[Refusal]:
        """Remove documents of streams in trouble from a new batch.

        They are held; where the breaker is open they are returned for the dead letters, except
        a few for the next probe when it is due.
        """
        going: list[Document] = []
        refused: list[Refusal] = []
        for document in batch.documents:
            stream = self._streams.get(document.target)
            if stream is None:
                going.append(document)
            elif not stream.is_open or self._wants_for_probe(stream, now):
                stream.hold(document, now)
            else:
                stream.last_seen = now
                refused += stream.refuse([document])
        if len(going) < len(batch.documents):
            fewer = batch_of(going, batch.since)
            batch.documents, batch.size = fewer.documents, fewer.size
        return refused

    def half_open(self, now: float) -> None:
        """The operator reports the cause as fixed: half-open every breaker; a probe decides."""
        for stream in self._streams.values():
            if stream.is_open:
                stream.is_open, stream.is_half_open, stream.since = False, True, now
            stream.is_probe_stale = stream.is_probing
            stream.probe_at = min(stream.probe_at, now)

    def next_probe(self, now: float) -> Batch | None:
        """Return a small batch for a stream whose probe is due; the probe counts as in flight."""
        for stream in self._streams.values():
            if stream.held and not stream.is_probing and now >= stream.probe_at:
                stream.is_probing = True
                documents = stream.held[: stream.probe_documents]
                stream.held = stream.held[stream.probe_documents :]
                stream.held_bytes -= cost_of(documents)
                probe = batch_of(documents, stream.oldest)
                probe.probes = stream.target
                return probe
        return None

    def probe_too_large(self, target: Target, documents: Sequence[Document], now: float) -> None:
        """The probe was refused for its size: hold its documents, the next one is smaller."""
        stream = self._streams[target]
        for document in documents:
            stream.hold(document, now)
        stream.is_probing = stream.is_probe_stale = False
        stream.probe_documents = max(1, stream.probe_documents // 2)
        stream.probe_at = now

    def probe_failed(self, target: Target, now: float, chance: float) -> None:
        """The trouble continues; probe again later."""
        stream = self._streams[target]
        stream.is_probing = False
        if stream.is_probe_stale:
            stream.is_probe_stale, stream.probe_at = False, now
            return
        stream.tries += 1
        if stream.is_half_open:
            stream.is_half_open, stream.since = False, now - self._patience_seconds
        wait = PROBE_SECONDS if stream.is_open else self._backoff.seconds(stream.tries, chance)
        stream.probe_at = now + wait

    def probe_unanswered(
        self, target: Target, documents: Sequence[Document], now: float, chance: float
    ) -> None:
        """The probe got no answer: hold its documents again."""
        stream = self._streams[target]
        for document in documents:
            stream.hold(document, now)
        stream.is_probing = stream.is_probe_stale = False
        stream.probe_at = now + self._backoff.seconds(stream.tries, chance)

    def note_probe(
        self, batch: Batch, outcomes: Outcomes, now: float, chance: float
    ) -> Batch | None:
        """Learn from the answer to a probe; return what may go on now.

        A probe without any answer takes its documents back from ``outcomes.again``.
        """
        target = batch.probes
        assert target is not None
        if outcomes.has_stream_trouble:
            self.probe_failed(target, now, chance)
        elif not outcomes.has_answers:
            self.probe_unanswered(target, outcomes.again, now, chance)
            outcomes.again = []
        else:
            stream = self._streams.pop(target)
            log.info("%s: %s %s takes documents again", self._sink, target.kind, target.name)
            if stream.held:
                return batch_of(stream.take_held(), stream.oldest)
        return None

    def expire(self, now: float) -> list[Refusal]:
        """Open breakers whose patience is over; return what is for the dead letters.

        Also opens the stream that holds most while all held together exceed their share.
        """
        opened: list[StreamBreaker] = []
        refused: list[Refusal] = []
        for stream in list(self._streams.values()):
            is_used = stream.held or stream.is_probing
            is_over = not stream.is_open and now - stream.since >= self._patience_seconds
            if not is_used and (
                (stream.is_open and now - stream.last_seen > FORGET_SECONDS)
                # No document was sent, so nothing is known: the next one decides.
                or (stream.is_half_open and is_over)
            ):
                del self._streams[stream.target]
            elif is_over:
                opened.append(stream)
                refused += self._open(stream, now)
        while sum(stream.held_bytes for stream in self) > self._share():
            largest = max(self, key=lambda stream: stream.held_bytes)
            if not largest.is_open:
                opened.append(largest)
            refused += self._open(largest, now)
        for stream in opened:
            log.error("%s: %s", self._sink, stream.opened_sentence())
        return refused

    def _open(self, stream: StreamBreaker, now: float) -> list[Refusal]:
        stream.is_open, stream.is_half_open = True, False
        stream.probe_at = max(stream.probe_at, now + PROBE_SECONDS)
        return stream.refuse(stream.take_held())

    @property
    def next_probe_at(self) -> float | None:
        """When the next probe is due; None while none can go."""
        times = (s.probe_at for s in self if s.held and not s.is_probing)
        return min(times, default=None)

    @property
    def next_expiry(self) -> float | None:
        """When the next patience is over."""
        return min((s.since + self._patience_seconds for s in self if not s.is_open), default=None)

    @property
    def oldest(self) -> float | None:
        """When the document that is held longest was put here."""
        return min((s.oldest for s in self._streams.values() if s.held), default=None)

    def remove(self, unwanted: Callable[[Document], bool]) -> list[Document]:
        """Take out every document of which ``unwanted`` is true."""
        removed: list[Document] = []
        for stream in self._streams.values():
            gone = [document for document in stream.held if unwanted(document)]
            if gone:
                removed += gone
                stream.held = [document for document in stream.held if not unwanted(document)]
                stream.held_bytes -= cost_of(gone)
        return removed

    def hasten(self, now: float) -> None:
        """Probe at once, before a drain ends."""
        for stream in self._streams.values():
            stream.probe_at = min(stream.probe_at, now)

    def lists(self) -> list[list[Document]]:
        """Return what is held, for counting."""
        return [stream.held for stream in self._streams.values()]

    def _wants_for_probe(self, stream: StreamBreaker, now: float) -> bool:
        is_due = now >= stream.probe_at and not stream.is_probing
        return is_due and len(stream.held) < PROBE_DOCUMENTS

"""The trace buffer: events that passed lately and their outcomes, for ``ptingest why``.

    flow   --a chunk, as it was processed--> whole chunks --too many bytes--> ids only --> gone
    sinks  --a batch, before and after-----> attempts      (the same way)

It records once a chunk and once a batch, by reference. Nothing is done for a single event until
its chunk is old; then the chunk's ids are joined into one text and the events are released.
Bytes are counted as the budget counts them, so ``why.max_bytes`` bounds what is held only by
this buffer; an attempt holds documents only as long as their chunk does.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterator, Sequence

from ptingest.model.contracts import Clock, Sink
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Processed, Refusal, WriteResult
from ptingest.model.receipt import Receipt, WindowTrace
from ptingest.observe.taps import Taps
from ptingest.settings.why import WhySettings

WHOLE_SHARE = 0.75
RECORD_BYTES = 700
"""Memory of one chunk or attempt beside its documents."""
PAYLOAD_BYTES = 40
"""Memory of one payload beside its bytes."""
LETTER_BYTES = 400
"""Memory of one dead letter beside its texts: the record, and four string headers."""
DETAIL_CHARACTERS = 500
"""Characters of a sink's answer about one document that are kept with its id."""


class Chunk:
    """Up to 256 events that were processed together."""

    __slots__ = (
        "at", "at_ns", "cost", "documents", "events", "first", "generation", "keys", "letters",
        "origin", "payloads", "receipt", "trace",
    )  # fmt: skip

    def __init__(
        self, at: float, at_ns: int, receipt: Receipt, origin: Origin, trace: WindowTrace
    ) -> None:
        self.at, self.at_ns, self.receipt, self.origin = at, at_ns, receipt, origin
        self.trace = trace
        self.first = trace.events
        """Events of the window before the first one here."""
        self.events = self.cost = self.generation = 0
        self.documents: Sequence[Document] = ()
        self.letters: Sequence[DeadLetter] = ()
        self.payloads: Sequence[bytes] | None = None
        """All payloads, in order; None where each became a document."""
        self.keys: str | None = None
        """Once the documents are released: their keys, each between two newlines."""

    def place_of(self, payload: bytes, at: int) -> int:
        """The position of an event in its window, from 0."""
        if self.payloads is None:
            return self.first + at
        places = (n for n, one in enumerate(self.payloads) if one is payload)
        return self.first + next(places, at)


class TracedAttempt:
    """One write of a batch to one sink."""

    __slots__ = ("began", "cost", "documents", "ended", "keys", "number", "odd", "result", "sink")

    def __init__(self, sink: str, number: int, began: float, documents: Sequence[Document]) -> None:
        self.sink, self.number, self.began = sink, number, began
        self.ended: float | None = None
        self.cost = 0
        self.documents: Sequence[Document] = documents
        self.result: WriteResult | None = None
        """None while it is under way, and where the outcome is unknown (the write died)."""
        self.keys: str | None = None
        self.odd: dict[str, tuple[str, str, str]] = {}
        """Once the documents are released: key -> outcome, reason, detail, unless simply
        stored."""

    def outcome_of(self, document: Document | None, key: str | None) -> tuple[str, str, str] | None:
        """Return outcome, reason and the sink's answer; None when the key was not in this
        batch."""
        if self.keys is not None:
            if not key or f"\n{key}\n" not in self.keys:
                return None
            return self.odd.get(key, ("unknown" if self.result is None else "stored", "", ""))
        if document is None or not any(one is document for one in self.documents):
            return None
        if self.result is None:
            return ("writing" if self.ended is None else "unknown", "", "")
        return next(
            ((outcome, reason, detail) for outcome, one, reason, detail in _odd(self.result)
             if one is document),
            ("too_large" if self.result.too_large else "stored", "", ""),
        )  # fmt: skip

    def shrink(self) -> None:
        """Release the documents, and keep their keys."""
        if self.keys is None:
            self.keys = _joined(self.documents)
            if self.result is not None:
                self.odd = _odd_by_key(self.result, self.documents)
                # The answer to the whole request is kept.
                self.result = WriteResult(
                    too_large=self.result.too_large,
                    trouble=self.result.trouble,
                    said=self.result.said,
                    retry_after_seconds=self.result.retry_after_seconds,
                )
            self.documents = ()
            self.cost = RECORD_BYTES + len(self.keys) + sum(
                200 + len(reason) + len(detail) for _, reason, detail in self.odd.values()
            )  # fmt: skip


def _cost_of_letter(letter: DeadLetter) -> int:
    texts = (letter.detail, letter.data_stream, letter.key)
    return LETTER_BYTES + sum(len(text) for text in texts if text)


def _cost_of_words(result: WriteResult) -> int:
    """Memory of a sink's answers about single documents."""
    return sum(200 + len(reason) + len(detail) for _, _, reason, detail in _odd(result))


def _odd(result: WriteResult) -> Iterator[tuple[str, Document, str, str]]:
    """Yield every outcome but that of simply stored documents."""
    for outcome, documents in (
        ("already_stored", result.already_stored),
        ("failure_stored", result.failure_stored),
        ("dropped", result.dropped),
        ("unsynced", result.unsynced),
        ("busy", result.busy),
        ("doubtful", result.doubtful),
    ):
        for document in documents:
            yield outcome, document, "", ""
    for outcome, refusals in (
        ("refused", result.refused),
        ("stream_busy", result.stream_busy),
        ("failing", result.failing),
    ):
        for refusal in refusals:
            yield outcome, refusal.document, refusal.reason, refusal.detail


def _odd_by_key(
    result: WriteResult, documents: Sequence[Document]
) -> dict[str, tuple[str, str, str]]:
    if result.too_large:
        return {one.key: ("too_large", "", "") for one in documents if one.key}
    said: dict[str, str] = {}
    return {
        one.key: (outcome, reason, said.setdefault(cut, cut))
        for outcome, one, reason, detail in _odd(result)
        if one.key and (cut := detail[:DETAIL_CHARACTERS]) is not None
    }


def _joined(documents: Sequence[Document]) -> str:
    keys = [key for one in documents if (key := one.key)]
    return "\n".join(("", *keys, "")) if keys else ""


class TraceBuffer:
    """Holds chunks and attempts within ``why.max_bytes``; used on one loop."""

    def __init__(self, settings: WhySettings, *, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._whole_limit = int(settings.max_bytes * WHOLE_SHARE)
        self._keys_limit = settings.max_bytes - self._whole_limit
        self.whole: deque[Chunk] = deque()
        self.shrunk: deque[Chunk] = deque()
        self.attempts: deque[TracedAttempt] = deque()
        """Ended attempts in the order in which they ended, whole and shrunk."""
        self.under_way: dict[int, TracedAttempt] = {}
        self._holding: list[tuple[float, int, TracedAttempt]] = []
        """Ended attempts that hold documents: a heap by the arrival time of their first
        document."""
        self._whole_bytes = self._keys_bytes = 0
        self._numbers: dict[str, int] = {}
        self._order = itertools.count()
        self._owed = 0.0
        self.generation = 0
        """Counts the profiles: the profile that processed a chunk may no longer be in force."""

    @property
    def is_on(self) -> bool:
        return self.settings.max_bytes > 0

    # --- calls from the flow and the sinks ---------------------------------------------------

    def saw(
        self,
        payloads: Sequence[bytes],
        processed: Processed,
        cost: int,
        receipt: Receipt,
        origin: Origin,
    ) -> None:
        """A chunk was processed; ``cost`` is what its documents cost the budget."""
        if not self.is_on:
            return
        now = self._clock.monotonic()
        trace = receipt.trace = receipt.trace or WindowTrace(now)
        chunk = Chunk(now, self._clock.time_ns(), receipt, origin, trace)
        events = len(payloads)
        trace.events += events
        chunk.events, chunk.generation = events, self.generation
        chunk.documents = processed.documents
        chunk.cost = cost + RECORD_BYTES + 8 * events
        if processed.is_spread or len(processed.documents) < events:
            chunk.letters, chunk.payloads = processed.dead_letters, payloads
            chunk.cost += sum(map(len, payloads)) + PAYLOAD_BYTES * events
            chunk.cost += sum(map(_cost_of_letter, processed.dead_letters))
        self.whole.append(chunk)
        self._whole_bytes += chunk.cost
        self._owed += self.settings.sample
        if self._owed >= 1.0:
            self._owed -= 1.0
        else:
            self.whole.pop()
            self._shrink(chunk)
        self._fit()

    def began(self, sink: str, documents: Sequence[Document]) -> TracedAttempt:
        """A batch is about to be written."""
        number = self._numbers[sink] = self._numbers.get(sink, 0) + 1
        attempt = TracedAttempt(sink, number, self._clock.monotonic(), documents)
        if self.is_on:
            self.under_way[id(attempt)] = attempt
        return attempt

    def ended(self, attempt: TracedAttempt, result: WriteResult | None) -> None:
        """A batch was answered; None where its outcome is unknown."""
        attempt.ended, attempt.result = self._clock.monotonic(), result
        if self.under_way.pop(id(attempt), None) is None:
            return
        self.attempts.append(attempt)
        trace = attempt.documents[0].receipt.trace if attempt.documents else None
        came = 0.0 if trace is None else trace.began_at
        if self.settings.sample < 1 or not self.whole or came < self.whole[0].at:
            self._shrink_attempt(attempt)
        else:
            attempt.cost = RECORD_BYTES + (0 if result is None else _cost_of_words(result))
            self._whole_bytes += attempt.cost
            heapq.heappush(self._holding, (came, next(self._order), attempt))
        self._fit()

    # --- within the limit ------------------------------------------------------------------

    def _shrink(self, chunk: Chunk) -> None:
        self._whole_bytes -= chunk.cost
        chunk.keys = _joined(chunk.documents)
        chunk.documents, chunk.letters, chunk.payloads = (), (), None
        chunk.cost = RECORD_BYTES + len(chunk.keys)
        self.shrunk.append(chunk)
        self._keys_bytes += chunk.cost
        horizon = self.whole[0].at if self.whole else float("inf")
        while self._holding and self._holding[0][0] < horizon:
            self._shrink_attempt(heapq.heappop(self._holding)[2])

    def _fit(self) -> None:
        """Release the oldest events, then the oldest ids, until everything is within the limit."""
        while self.whole and self._whole_bytes > self._whole_limit:
            self._shrink(self.whole.popleft())
        self._forget()

    def _shrink_attempt(self, attempt: TracedAttempt) -> None:
        self._whole_bytes -= attempt.cost  # 0 where it was never held whole
        attempt.shrink()
        self._keys_bytes += attempt.cost

    def _forget(self) -> None:
        """Release the oldest ids while there are too many."""
        while self._keys_bytes > self._keys_limit:
            is_chunk = bool(self.shrunk) and (
                not self.attempts
                or self.attempts[0].keys is None
                or self.shrunk[0].at <= self.attempts[0].began
            )
            if is_chunk:
                self._keys_bytes -= self.shrunk.popleft().cost
            elif self.attempts and self.attempts[0].keys is not None:
                self._keys_bytes -= self.attempts.popleft().cost
            else:
                return  # the rest holds documents: its chunks are released first

    # --- numbers -----------------------------------------------------------------------------

    def time_ns_of(self, moment: float) -> int:
        """Return the time since the epoch of a monotonic moment, by the present clock."""
        return self._clock.time_ns() - int((self._clock.monotonic() - moment) * 1e9)

    def status(self) -> dict[str, object]:
        """The part of /status about the trace buffer."""
        now = self._clock.monotonic()
        oldest = (self.shrunk or self.whole or [None])[0]
        return {
            "bytes": self._whole_bytes + self._keys_bytes,
            "limit_bytes": int(self.settings.max_bytes),
            "setting": "why.max_bytes",
            "sample": self.settings.sample,
            "whole_events": sum(chunk.events for chunk in self.whole),
            "whole_seconds": round(now - self.whole[0].at, 1) if self.whole else 0.0,
            "id_events": sum(chunk.events for chunk in self.shrunk),
            "seconds": round(now - oldest.at, 1) if oldest else 0.0,
        }


class WatchedSink:
    """A sink whose writes are recorded in the trace buffer, and whose refusals are shown by
    taps."""

    def __init__(self, sink: Sink, *, trace_buffer: TraceBuffer, taps: Taps) -> None:
        self.name, self._sink, self._trace_buffer, self._taps = sink.name, sink, trace_buffer, taps

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        """Write one batch, as the sink does."""
        attempt = self._trace_buffer.began(self.name, documents)
        result: WriteResult | None = None
        try:
            result = await self._sink.write(documents, doubtful)
        finally:
            self._trace_buffer.ended(attempt, result)
        refused: Sequence[Refusal] = result.refused
        if refused and self._taps.open:
            self._taps.see_refused(refused)
        return result

    async def check(self) -> Sequence[Finding]:
        """Ask the sink whether it would take documents."""
        return await self._sink.check()

    async def close(self) -> None:
        """Close connections and files."""
        await self._sink.close()

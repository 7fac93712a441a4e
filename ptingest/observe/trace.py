"""Traces: the history of one event, built from the trace buffer.

    question --> every arrival that matches, the newest first --> one JSON-ready trace each

A trace names the connection and window, the pipeline's decision, every write of the event to
every sink with the sink's answer, and how the window ended; or where the event waits now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ptingest.model.document import Document
from ptingest.model.outcome import DeadLetter
from ptingest.model.outputs import Outputs
from ptingest.model.rfc3339 import rfc3339_of_ns
from ptingest.model.watching import WhyRequest
from ptingest.observe.trace_buffer import Chunk, TraceBuffer, TracedAttempt
from ptingest.pipeline.pipeline import Pipeline

TRACES_MOST = 10
"""Traces in one answer; a short line may match thousands of events."""
TEXT_CHARACTERS = 2000

Trace = dict[str, Any]
Lanes = Callable[[], dict[str, dict[str, object]]]
"""Sink -> the status of its lane, as in /status."""

SAFE = {
    "stored": "stored",
    "already_stored": "was stored already",
    "failure_stored": "is in the failure store",
    "dropped": "was dropped by an ingest pipeline of Elasticsearch",
}


class TraceEntry(NamedTuple):
    """One event in a chunk."""

    chunk: Chunk
    place: int | None
    """Its position in its window, from 0; None when only the id is left."""
    payload: bytes | None
    document: Document | None = None
    letter: DeadLetter | None = None
    key: str | None = None


class TraceReader:
    """Implements ``TraceService`` for one process."""

    def __init__(
        self, trace_buffer: TraceBuffer, *, pipeline: Callable[[], Pipeline], lanes: Lanes
    ) -> None:
        self._trace_buffer, self._pipeline, self._lanes = trace_buffer, pipeline, lanes

    async def why(self, question: WhyRequest) -> dict[str, object]:
        """Return the traces of the newest events that match, how many do, and how far back the
        buffer reaches."""
        entries = self._find(question)
        found = [self._trace_of(one) for one in islice(entries, TRACES_MOST)]
        matching = len(found) + sum(1 for _ in entries)
        return {"found": found, "matching": matching, "memory": self._trace_buffer.status()}

    # --- finding ---------------------------------------------------------------------------

    def _find(self, question: WhyRequest) -> Iterator[TraceEntry]:
        if question.id is not None:
            yield from self._by_id(question.id)
        elif question.line:
            needles = spellings(question.line)
            yield from self._whole(lambda payload, _: any(needle in payload for needle in needles))

    def _by_id(self, key: str) -> Iterator[TraceEntry]:
        yield from self._whole(lambda _, its_key: its_key == key)
        wanted = f"\n{key}\n"
        for chunk in reversed(self._trace_buffer.shrunk):
            if chunk.keys and wanted in chunk.keys:
                yield TraceEntry(chunk, None, None, key=key)

    def _whole(self, fits: Callable[[bytes, str | None], bool]) -> Iterator[TraceEntry]:
        for chunk in reversed(self._trace_buffer.whole):
            for at, document in enumerate(chunk.documents):
                if fits(document.payload, document.key):
                    place = chunk.place_of(document.payload, at)
                    yield TraceEntry(chunk, place, document.payload, document, key=document.key)
            if chunk.payloads is not None:
                yield from self._not_documents(chunk, chunk.payloads, fits)

    def _not_documents(
        self, chunk: Chunk, payloads: Sequence[bytes], fits: Callable[[bytes, str | None], bool]
    ) -> Iterator[TraceEntry]:
        known = {id(document.payload) for document in chunk.documents}
        letters = {id(letter.payload): letter for letter in chunk.letters}
        for at, payload in enumerate(payloads):
            letter = letters.get(id(payload))
            key = None if letter is None else letter.key
            if id(payload) not in known and fits(payload, key):
                yield TraceEntry(chunk, chunk.first + at, payload, letter=letter, key=key)

    # --- building ------------------------------------------------------------------------

    def _trace_of(self, found: TraceEntry) -> Trace:
        chunk, origin = found.chunk, found.chunk.origin
        trace: Trace = {
            "id": found.key,
            "arrived_at": _time(chunk.at_ns),
            "peer": origin.peer,
            "tls_subject": origin.tls_subject,
            "source": origin.source,
            "window": self._window(found),
            **self._decided(found),
            "attempts": [],
            "sinks": {},
        }
        if found.document is not None or found.payload is None:
            attempts = list(self._attempts(found))
            trace["attempts"] = [self._attempt_row(*one) for one in attempts]
            trace["sinks"] = self._sinks(found, attempts)
        trace["summary"] = _summary(trace)
        return trace

    def _window(self, found: TraceEntry) -> Trace:
        receipt, trace = found.chunk.receipt, found.chunk.trace
        seq = None
        if found.place is not None and trace.last_seq is not None:
            seq = trace.last_seq - trace.events + 1 + found.place
        state = "open"
        if receipt.failed is not None:
            state = "given back"
        elif trace.acked_at is not None:
            state = "acked"
        elif receipt.closed:
            state = "safe"
        return {
            "number": trace.number,
            "events": trace.events,
            "seq": seq,
            "place": None if found.place is None else found.place + 1,
            "last_seq": trace.last_seq,
            "state": state,
            "given_back_because": receipt.failed,
            "acked_at": None if trace.acked_at is None else self._moment(trace.acked_at),
            "seconds_to_ack": (
                None if trace.acked_at is None else round(trace.acked_at - found.chunk.at, 6)
            ),
        }

    def _decided(self, found: TraceEntry) -> Trace:
        """The pipeline's decision; the pipeline is run again, since it records nothing while it
        works."""
        if found.payload is None:
            return {"outcome": "document", "has_text": False}
        explained = self._pipeline().explain(found.payload, now_ns=found.chunk.at_ns)
        document = explained.document or {}
        outcome: str = "document" if found.document is not None else "dropped"
        reason, detail = explained.reason, explained.detail
        data_stream = explained.data_stream
        if found.letter is not None:
            outcome, reason, detail = "dead_letter", found.letter.reason, found.letter.detail
        if found.document is not None:
            data_stream, reason, detail = found.document.target.name, None, ""
        return {
            "outcome": outcome,
            "has_text": True,
            "reason": reason,
            "detail": detail,
            "service": document.get("service"),
            "message": _cut(document.get("message")),
            "data_stream": data_stream,
            "pattern": explained.pattern,
            "rule": explained.rule,
            "notes": list(explained.notes),
            "passages": [one._asdict() for one in explained.passages],
            "profile_changed_since": found.chunk.generation != self._trace_buffer.generation,
        }

    def _attempts(self, found: TraceEntry) -> Iterator[tuple[TracedAttempt, tuple[str, str, str]]]:
        trace_buffer = self._trace_buffer
        for attempt in (*trace_buffer.attempts, *trace_buffer.under_way.values()):
            if attempt.ended is not None and attempt.ended < found.chunk.at:
                continue  # of an earlier arrival
            outcome = attempt.outcome_of(found.document, found.key)
            if outcome is not None:
                yield attempt, outcome

    def _attempt_row(self, attempt: TracedAttempt, outcome: tuple[str, str, str]) -> Trace:
        result = attempt.result
        what, reason, detail = outcome
        return {
            "sink": attempt.sink,
            "batch": attempt.number,
            "began_at": self._moment(attempt.began),
            "seconds": None if attempt.ended is None else round(attempt.ended - attempt.began, 6),
            "outcome": what,
            "said": None if result is None else result.said or None,
            "reason": reason or None,
            "detail": detail or (None if result is None else result.trouble),
        }

    def _sinks(
        self, found: TraceEntry, attempts: list[tuple[TracedAttempt, tuple[str, str, str]]]
    ) -> dict[str, Trace]:
        """Sink -> the event's state there: safe, a dead letter, or what it waits for."""
        last = {attempt.sink: outcome for attempt, outcome in attempts}
        has_failed = found.chunk.receipt.failed is not None
        rows = {}
        lanes = self._lanes()
        output = "" if found.document is None else found.document.target.output
        mine = Outputs(tuple(lanes)).sinks_of(output)
        for sink, lane in lanes.items():
            if sink not in mine:
                continue
            outcome = last.get(sink)
            if outcome is not None and outcome[0] in SAFE:
                rows[sink] = {"state": outcome[0]}
            elif outcome is not None and outcome[0] == "refused":
                rows[sink] = {"state": "dead_lettered", "because": outcome[1]}
            elif has_failed:
                rows[sink] = {"state": "given_back"}
            elif found.chunk.receipt.closed:
                # The window is safe, but the buffer no longer has that write.
                rows[sink] = {"state": "settled"}
            else:
                rows[sink] = {"state": "waiting", "for": _waits_for(outcome, lane)}
        return rows

    def _moment(self, moment: float) -> str:
        return _time(self._trace_buffer.time_ns_of(moment))


def spellings(line: str) -> list[bytes]:
    """Return the forms in which a text may be written in JSON by Beats and other programs."""
    plain = json.dumps(line, ensure_ascii=False)[1:-1]
    go = plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    found = (plain, json.dumps(line)[1:-1], go, line)
    return list(dict.fromkeys(one.encode("utf-8", "surrogatepass") for one in found))


def _waits_for(outcome: tuple[str, str, str] | None, lane: dict[str, object]) -> str:
    if outcome is None:
        return (
            f"its first write: {lane.get('waiting_documents')} documents wait for a batch, "
            f"{lane.get('in_flight')} batches are in flight of {lane.get('concurrency')} allowed"
        )
    words = {
        "writing": "the answer to a write that is under way",
        "unsynced": "the next question: it is written, and may not outlive a crash yet",
        "busy": "the next try: the sink was busy",
        "doubtful": "the next try: no answer came, and it may be stored",
        "unknown": "the next try: the write died",
        "too_large": "the next try in a smaller batch: the body was too large (413)",
        "failing": f"the next try; it fails while others pass: {outcome[1]}: {outcome[2]}",
        "stream_busy": f"its data stream, which is in trouble: {outcome[1]}: {outcome[2]}",
    }
    text = words[outcome[0]]
    backoff = lane.get("backoff_seconds")
    return f"{text}; the sink is left alone for {backoff} s" if backoff else text


def _summary(trace: Trace) -> str:
    """One sentence that says where the event is."""
    window = trace["window"]
    if trace["outcome"] == "dropped":
        return f"dropped by a rule ({trace['reason']}: {trace['detail']}), on purpose"
    if trace["outcome"] == "dead_letter":
        kept = "given back" if window["state"] == "given back" else "in the dead letters"
        return f"{kept}: {trace['reason']}: {trace['detail']}"
    parts = [f"{sink}: {_state_words(row)}" for sink, row in trace["sinks"].items()]
    if window["state"] == "given back":
        parts.append(f"not acked ({window['given_back_because']}), so its Beat sends it again")
    elif window["state"] == "acked":
        parts.append(f"acked {window['seconds_to_ack']:.3f} s after it came")
    else:
        parts.append("not acked yet")
    return "; ".join(parts)


def _state_words(row: Trace) -> str:
    state = row["state"]
    if state == "waiting":
        return f"waits for {row['for']}"
    if state == "dead_lettered":
        return f"refused ({row['because']}), in the dead letters"
    return SAFE.get(state, {"settled": "settled"}.get(state, "given back"))


def _time(time_ns: int) -> str:
    return rfc3339_of_ns(time_ns)


def _cut(text: object) -> str | None:
    return None if text is None else str(text)[:TEXT_CHARACTERS]

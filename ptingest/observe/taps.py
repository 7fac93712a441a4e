"""Taps: readers see events as they pass, and never slow them down.

    flow --a chunk and its result--> Taps --sampled, matched--> Tap --lines--> a reader

Without a tap the flow runs one ``if`` a chunk. All taps together may use ``WORK_SHARE`` of the
time; events beyond that are skipped and counted. A slow reader loses lines, which are counted
too; the bytes that a tap holds are bounded.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from ptingest.errors import TapsBusy
from ptingest.kql.parser import parse
from ptingest.kql.predicate import Candidate, Test, matcher
from ptingest.model.contracts import Clock
from ptingest.model.document import LARGE_BYTES, Document
from ptingest.model.outcome import DeadLetter, Processed, Refusal
from ptingest.model.watching import TapRequest
from ptingest.pipeline.pipeline import Pipeline

TAPS = 4
"""Taps open at the same time."""
WORK_SHARE = 0.02
"""Share of the time that all taps together may use."""
CREDIT_SECONDS = 0.02
"""Work, in seconds, that may be saved up while few events pass."""
LINES_A_SECOND = 1000.0
"""Lines a second that one tap shows; people do not read faster."""
BUFFER_BYTES = 1 << 20
"""Bytes of lines that wait for one tap's reader."""
QUERY_CHARACTERS = 128
"""An event that is longer than this is not matched against a query. Large events are skipped in
any case: one of them could take all the time of a second."""
REPORT_SECONDS = 1.0
"""Counts are sent at this interval while they change."""
QUIET_SECONDS = 5.0
"""A tap without lines sends something at this interval, to detect that its reader has gone."""

_json = msgspec.json.Encoder().encode


class Passing(NamedTuple):
    """One event as a tap examines it."""

    fate: str
    payload: bytes
    body: bytes | None
    """None: no document could be made of it."""
    service: str
    peer: str
    data_stream: str | None
    key: str | None
    reason: str | None = None
    detail: str | None = None


class Tap:
    """One reader's tap: its filter, and the lines that wait for the reader."""

    def __init__(
        self,
        wish: TapRequest,
        test: Test,
        clock: Clock,
        on_closed: Callable[[Tap], None],
        quiet_seconds: float,
    ) -> None:
        self.wish, self._test, self._clock, self._on_closed = wish, test, clock, on_closed
        self._quiet_seconds = quiet_seconds
        self._largest = LARGE_BYTES * QUERY_CHARACTERS // max(QUERY_CHARACTERS, len(wish.query))
        self.seen = self.shown = self.skipped = self.lost = 0
        """Events that passed; shown; skipped for lack of time; lost because the reader was
        slow."""
        self.cost = 20e-6
        """Seconds that the examination of one event took lately."""
        self._owed = 0.0
        self._phase = 0.0
        self._lines: list[bytes] = []
        self.size = 0
        self._allowed, self._allowed_at = LINES_A_SECOND, clock.monotonic()
        self._more = asyncio.Event()
        self._reported, self._reported_at = (0, 0, 0, 0), float("-inf")
        self._ending: str | None = None
        self._is_over = False

    # --- while events pass ------------------------------------------------------------

    def chosen(self, count: int, credit: float) -> Iterator[int]:
        """Yield which of ``count`` events to examine: the share that is wanted, as far as time
        allows."""
        self.seen += count
        self._owed += count * self.wish.share
        wanted = min(count, int(self._owed))
        self._owed -= wanted
        number = min(wanted, int(credit / self.cost)) if credit > 0 else 0
        self.skipped += wanted - number
        if not number:
            return
        # Evenly spaced, and not always from the first: windows begin with the same kind of
        # line.
        self._phase = (self._phase + 0.618) % 1.0
        step = count / number
        for at in range(number):
            yield int((at + self._phase) * step)

    def look(self, event: Passing) -> None:
        """Show one event when the filter wants it."""
        if max(len(event.payload), len(event.body or b"")) > self._largest:
            self.skipped += 1
            return
        candidate = Candidate(event.body or b"{}", event.data_stream or "", event.key)
        if not self._test(candidate):
            return
        if not self._may_show():
            self.skipped += 1
            return
        line = self._line(event)
        if self.size + len(line) > BUFFER_BYTES:
            self.lost += 1
            return
        self.shown += 1
        self._lines.append(line)
        self.size += len(line)
        self._more.set()

    def _may_show(self) -> bool:
        now = self._clock.monotonic()
        earned = (now - self._allowed_at) * LINES_A_SECOND
        self._allowed, self._allowed_at = min(LINES_A_SECOND, self._allowed + earned), now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _line(self, event: Passing) -> bytes:
        named = {
            "fate": event.fate,
            "service": event.service,
            "data_stream": event.data_stream,
            "key": event.key,
            "peer": event.peer,
            "reason": event.reason,
            "detail": event.detail,
        }
        if self.wish.raw or event.body is None:
            try:
                named["payload"] = event.payload.decode()
            except UnicodeDecodeError:
                named["payload_base64"] = base64.b64encode(event.payload).decode()
            return _json(named) + b"\n"
        return b'%b,"document":%b}\n' % (_json(named)[:-1], event.body)

    # --- the reader's side ------------------------------------------------------------

    async def read(self) -> bytes:
        """Wait for lines; return complete lines, and nothing once the tap is closed."""
        if self._is_over:
            return b""
        if not self._lines and self._ending is None:
            wait = REPORT_SECONDS if self._counts() != self._reported else self._quiet_seconds
            try:
                async with asyncio.timeout(wait):
                    await self._more.wait()
            except TimeoutError:
                self._reported_at = float("-inf")
        self._more.clear()
        lines, self._lines, self.size = self._lines, [], 0
        now = self._clock.monotonic()
        if self._ending is not None or now - self._reported_at >= REPORT_SECONDS:
            self._reported, self._reported_at = self._counts(), now
            names = ("passed", "shown", "skipped", "lost")
            lines.append(_json({"told": dict(zip(names, self._reported, strict=True))}) + b"\n")
        if self._ending is not None:
            lines.append(_json({"ended": self._ending}) + b"\n")
            self._is_over = True
        return b"".join(lines)

    def _counts(self) -> tuple[int, int, int, int]:
        return self.seen, self.shown, self.skipped, self.lost

    def end(self, why: str) -> None:
        """Give the reader the waiting lines, the counts and this sentence; then the tap is
        closed."""
        if self._ending is None:
            self._ending = why
        self._more.set()

    def close(self) -> None:
        """The reader has gone."""
        self._on_closed(self)
        self.end("closed")


class Taps:
    """All open taps of one process."""

    def __init__(
        self,
        clock: Clock,
        *,
        spent: Callable[[], float] = time.perf_counter,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self.open: list[Tap] = []
        """The flow only asks whether it is empty."""
        self._clock, self._spent, self._quiet_seconds = clock, spent, quiet_seconds
        self._credit, self._credit_at = CREDIT_SECONDS, spent()

    async def begin(self, wish: TapRequest) -> Tap:
        """Open a tap; the caller must close it.

        Raises:
            QueryInvalid: with the column.
            TapsBusy: there are as many as may be.
        """
        now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        # The first query builds the parser, which takes a tenth of a second: not on the event
        # loop.
        test = await asyncio.to_thread(query_test, wish.query, now)
        if len(self.open) >= TAPS:
            raise TapsBusy(limit=TAPS)
        tap = Tap(wish, test, self._clock, self._forget, self._quiet_seconds)
        self.open.append(tap)
        return tap

    def _forget(self, tap: Tap) -> None:
        if tap in self.open:
            self.open.remove(tap)

    def end_all(self, why: str) -> None:
        """Close all taps with a sentence for their readers."""
        for tap in self.open:
            tap.end(why)
        self.open.clear()

    def status(self) -> dict[str, object]:
        """The part of /status that speaks of taps."""
        return taps_status([tap.size for tap in self.open])

    # --- events from the flow and the sinks ---------------------------------------------

    def see(
        self,
        pipeline: Pipeline,
        payloads: Sequence[bytes],
        processed: Processed,
        peer: str,
        now_ns: int,
    ) -> None:
        """A chunk was processed; call it only while taps are open."""
        documents, letters = processed.documents, processed.dead_letters
        dropped: list[bytes] | None = None
        for tap in self.open:
            fates = tap.wish.fates
            if "passed" in fates:
                self._look(tap, len(documents), lambda at: _passed(documents[at]))
            if "dead_lettered" in fates:
                small = [one for one in letters if len(one.payload) <= LARGE_BYTES]
                tap.skipped += len(letters) - len(small)
                self._look(tap, len(small), partial(_lettered, small, pipeline, now_ns))
            if processed.dropped and "dropped" in fates:
                if dropped is None:
                    dropped = _dropped_of(payloads, processed)
                small_ones = [one for one in dropped if len(one) <= LARGE_BYTES]
                tap.skipped += len(dropped) - len(small_ones)
                show = partial(_dropped, small_ones, pipeline, peer, now_ns)
                self._look(tap, len(small_ones), show)

    def see_refused(self, refused: Sequence[Refusal]) -> None:
        """A sink will never take these; call it only while taps are open."""
        for tap in self.open:
            if "dead_lettered" in tap.wish.fates:
                self._look(tap, len(refused), lambda at: _refused(refused[at]))

    def _look(self, tap: Tap, count: int, event_at: Callable[[int], Passing]) -> None:
        if not count:
            return
        began = self._spent()
        credit = self._credit + (began - self._credit_at) * WORK_SHARE
        self._credit, self._credit_at = min(CREDIT_SECONDS, credit), began
        looked = 0
        for at in tap.chosen(count, self._credit):
            tap.look(event_at(at))
            looked += 1
        used = self._spent() - began
        self._credit -= used
        if looked:
            tap.cost += (max(used / looked, 1e-6) - tap.cost) / 8


def taps_status(waiting_bytes: Sequence[int]) -> dict[str, object]:
    """Return the section of /status about taps; ``waiting_bytes`` of each open one."""
    return {
        "open": len(waiting_bytes),
        "limit": TAPS,
        "waiting_bytes": sum(waiting_bytes),
        "waiting_bytes_limit": TAPS * BUFFER_BYTES,
        "work_share_limit": WORK_SHARE,
    }


def query_test(query: str, now: datetime) -> Test:
    return matcher(parse(query), text=query, now=now)


def _passed(document: Document) -> Passing:
    return Passing(
        "passed",
        document.payload,
        document.body,
        document.service,
        document.peer,
        document.target.name,
        document.key,
    )


def _refused(refusal: Refusal) -> Passing:
    return _passed(refusal.document)._replace(
        fate="dead_lettered", reason=refusal.reason, detail=refusal.detail
    )


def _lettered(letters: Sequence[DeadLetter], pipeline: Pipeline, now_ns: int, at: int) -> Passing:
    letter = letters[at]
    body = pipeline.explain(letter.payload, now_ns=now_ns).body
    return Passing(
        "dead_lettered",
        letter.payload,
        body,
        letter.service,
        letter.peer,
        letter.data_stream,
        letter.key,
        letter.reason,
        letter.detail,
    )


def _dropped_of(payloads: Sequence[bytes], processed: Processed) -> list[bytes]:
    """A payload that is neither a document nor a letter was dropped; the payloads are the same
    objects."""
    kept = {id(document.payload) for document in processed.documents}
    kept |= {id(letter.payload) for letter in processed.dead_letters}
    return [payload for payload in payloads if id(payload) not in kept]


def _dropped(
    payloads: Sequence[bytes], pipeline: Pipeline, peer: str, now_ns: int, at: int
) -> Passing:
    payload = payloads[at]
    explained = pipeline.explain(payload, now_ns=now_ns)
    service = explained.document.get("service") if explained.document else None
    is_known = isinstance(service, str) and service in pipeline.services
    return Passing(
        "dropped",
        payload,
        explained.body,
        str(service) if is_known else "other",
        peer,
        explained.data_stream,
        explained.key,
        explained.reason,
        explained.detail,
    )

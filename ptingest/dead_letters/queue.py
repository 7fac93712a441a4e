"""The dead letters: events that no sink takes, on disk before their window is acked.

    put(letters) --> one thread: room? write, fsync --> returns          else: raises

Puts that arrive during a write share the next fsync. Each line of a segment is one letter with
everything needed to put it through again: its whole payload, and its key. Letters that were
requeued or purged are marked done (see ``tombstones``) and then swept.
``read_letters`` and ``find_letter`` work on the folder alone, without a server.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from ptingest.dead_letters.occupancy import host_of, peer_of
from ptingest.dead_letters.pieces import LARGE_BYTES, gathered, pieces_of
from ptingest.dead_letters.segments import SegmentWriter, segments
from ptingest.dead_letters.tombstones import marks_of
from ptingest.errors import DeadLettersFull, DeadLettersShareFull, DeadLettersUnwritable
from ptingest.model.contracts import Clock
from ptingest.model.outcome import DeadLetter
from ptingest.model.rfc3339 import rfc3339_of_ns
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 20
PEERS_SHOWN = 5
SLOW_SECONDS = 10.0
"""A write that takes longer is logged: the disk hangs, and windows wait unacked."""
SHARE_SECONDS = 60.0
"""The shortest time between two log lines on full shares."""
MOST_TRIED_BYTES = 1 << 24
"""The most that is written to see whether a disk that failed can be written again."""
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Problem = DeadLettersFull | DeadLettersUnwritable


class StoredLetter(msgspec.Struct, frozen=True):
    """One letter as it is on disk."""

    id: str
    """26 characters that sort by time (a ULID)."""
    time: str
    """When it was written, RFC 3339 in UTC."""
    letter: DeadLetter

    def as_json(self) -> bytes:
        """Return the whole record as one line without its newline, as it is on disk."""
        return encode_letter(self.letter, letter_id=self.id, time=self.time)[:-1]


class Filed(NamedTuple):
    """A letter and its segment."""

    segment: Path
    stored: StoredLetter


class _Record(msgspec.Struct, gc=False):
    """The fields of one line; a person may have edited it, so each type is checked."""

    id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z]+\Z")]
    time: str
    reason: str
    detail: str
    data_stream: str | None
    service: str
    peer: str
    key: str | None
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    payload: str | None = None
    payload_base64: str | None = None


_read_record = msgspec.json.Decoder(_Record).decode


def encode_letter(letter: DeadLetter, *, letter_id: str, time: str) -> bytes:
    """Return one line: ``payload`` as text where it is UTF-8, else ``payload_base64``."""
    record: dict[str, str | int | None] = {
        "id": letter_id,
        "time": time,
        "reason": letter.reason,
        "detail": _writable(letter.detail),
        "data_stream": None if letter.data_stream is None else _writable(letter.data_stream),
        "service": _writable(letter.service),
        "peer": letter.peer,
        "key": letter.key,
    }
    if letter.count > 1:
        record["count"] = letter.count
    try:
        record["payload"] = letter.payload.decode()
    except UnicodeDecodeError:
        record["payload_base64"] = base64.b64encode(letter.payload).decode("ascii")
    return orjson.dumps(record) + b"\n"


def letter_pieces(letter: DeadLetter, *, letter_id: str, time: str) -> tuple[int, Iterable[bytes]]:
    """Return the size of one line, and the line; in pieces where its payload is large."""
    payload = letter.payload
    if len(payload) <= LARGE_BYTES:
        line = encode_letter(letter, letter_id=letter_id, time=time)
        return len(line), (line,)
    bare = encode_letter(replace(letter, payload=b""), letter_id=letter_id, time=time)
    return pieces_of(bare, payload)


def decode_letter(line: bytes) -> StoredLetter | None:
    """Return the letter of one line, or None when the line is not a whole letter."""
    try:
        record = _read_record(line)
        if record.payload is not None:
            payload = record.payload.encode()
        elif record.payload_base64 is not None:
            payload = base64.b64decode(record.payload_base64, validate=True)
        else:
            return None
    # ValueError: bytes that are not UTF-8, or not base64.
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    letter = DeadLetter(
        reason=record.reason,
        detail=record.detail,
        payload=payload,
        service=record.service,
        peer=record.peer,
        data_stream=record.data_stream,
        key=record.key,
        count=record.count,
    )
    return StoredLetter(id=record.id, time=record.time, letter=letter)


def id_of(line: bytes) -> str | None:
    """Return the id in a line, without reading the rest of it where we wrote it."""
    if line.startswith(b'{"id":"') and line[33:34] == b'"':
        return line[7:33].decode("ascii", "replace")
    stored = decode_letter(line)
    return None if stored is None else stored.id


def read_letters(directory: Path, *, with_done: bool = False) -> Iterator[StoredLetter]:
    """Yield every whole letter of a folder, oldest segment first; safe beside a writer.

    Letters that are done are left out unless asked for; a sweep takes them away for good.
    """
    for filed in read_filed(directory, with_done=with_done):
        yield filed.stored


def read_filed(
    directory: Path, *, with_done: bool = False, newest_segment_first: bool = False
) -> Iterator[Filed]:
    """As ``read_letters``, with the segment; letters written after the call are left out."""
    now = [(path, path.stat().st_size) for path in segments(directory) if path.exists()]
    if newest_segment_first:
        now.reverse()
    for path, size in now:
        try:
            marks = frozenset() if with_done else marks_of(path)
            with path.open("rb") as file:
                for stored in _letters_of(path, file, size):
                    if stored.id not in marks:
                        yield Filed(path, stored)
        except FileNotFoundError:  # expired or purged meanwhile
            continue


def find_letter(directory: Path, letter_id: str) -> StoredLetter | None:
    """Return the letter with this id, done or not, or None."""
    letters = read_letters(directory, with_done=True)
    return next((stored for stored in letters if stored.id == letter_id), None)


def _letters_of(path: Path, lines: Iterator[bytes], size: int) -> Iterator[StoredLetter]:
    for line in lines:
        size -= len(line)
        if size < 0 or not line.endswith(b"\n"):
            return  # written since, being written, or torn: not acked
        stored = decode_letter(line)
        if stored is None:
            log.warning("%s holds a line that is not a dead letter; skipped, look at it", path)
        else:
            yield stored


class LetterIds:
    """Ids that sort in the order they were made, also within one millisecond."""

    def __init__(self, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._random_bits = random_bits
        self._last = 0

    def next_id(self, time_ns: int) -> str:
        """Return 48 bits of milliseconds and 80 random bits, in Crockford's base 32."""
        fresh = (time_ns // 1_000_000 & (1 << 48) - 1) << 80 | self._random_bits(80)
        same_or_earlier = fresh >> 80 <= self._last >> 80
        self._last = self._last + 1 if same_or_earlier else fresh
        return "".join(CROCKFORD[self._last >> shift & 31] for shift in range(125, -1, -5))


class _Put:
    """One caller's letters, and the future it waits on."""

    def __init__(self, letters: Sequence[DeadLetter], done: asyncio.Future[None]) -> None:
        self.letters, self.done = letters, done
        self.problem: Problem | None = None


class DeadLetters:
    """The writing side; made once in assembly, lives on one loop and one thread."""

    def __init__(
        self,
        directory: Path,
        settings: DeadLettersSettings,
        clock: Clock,
        metrics: Metrics,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self.directory = directory
        self._slow_seconds = slow_seconds
        self._clock, self._metrics = clock, metrics
        self._segments = SegmentWriter(
            directory,
            settings,
            clock,
            # Small, so that dropping the oldest never drops nearly everything.
            segment_bytes=max(1, min(segment_bytes, settings.max_bytes // 8)),
            is_whole=lambda line: decode_letter(line) is not None,
            id_of=id_of,
            peer_of=peer_of,
        )
        self._share_logged_at = float("-inf")
        self._ids = LetterIds()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dead-letters")
        self._queue: list[_Put] = []
        self._commits: asyncio.Task[None] | None = None
        self._problem: Problem | None = None
        self._failed_bytes = 1
        self._slow: str | None = None
        metrics.before_scrape(self._refresh)

    @property
    def trouble(self) -> str | None:
        """Why letters cannot be kept now, for readiness; None when the last ones were."""
        return self._slow if self._problem is None else str(self._problem)

    @property
    def bytes(self) -> int:
        """Size on disk at the last look."""
        return self._segments.bytes

    @property
    def by_peer(self) -> dict[str, int]:
        """Bytes of the peers that use most, when last counted."""
        return dict(Counter(self._segments.by_peer).most_common(PEERS_SHOWN))

    @property
    def waiting(self) -> int:
        """Letters on disk and not done, when last counted."""
        return self._segments.lines

    async def open(self) -> None:
        """Repair what the last run left; ``put`` does it too, this finds problems early.

        Raises:
            DeadLettersUnwritable: the folder cannot be made, read or changed.
        """
        await self._in_thread(self._segments.open)
        self._count_dropped()
        if self._segments.torn_bytes:
            log.warning(
                "%s: moved %d bytes of half-written dead letters aside (.torn); they were "
                "not acked, the Beats send them again",
                self.directory,
                self._segments.torn_bytes,
            )

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Return when every letter is on disk and fsynced; all of ``letters`` or none.

        Raises:
            DeadLettersFull, DeadLettersUnwritable: none is kept; fail their receipts. As
                ``DeadLettersShareFull`` it is for these letters' peer alone.
        """
        if not letters:
            return
        put = _Put(letters, asyncio.get_running_loop().create_future())
        self._queue.append(put)
        if self._commits is None or self._commits.done():
            self._commits = asyncio.create_task(self._commit(), name="dead-letters")
        await put.done

    async def tidy(self) -> None:
        """Expire by age and see whether letters can be kept again; for idle times, and purges.

        Never raises for the disk: ``trouble`` says what is wrong.
        """
        try:
            await self._in_thread(lambda: self._segments.make_room(0))
        except (DeadLettersFull, DeadLettersUnwritable) as problem:
            self._set_problem(problem)
        self._count_dropped()
        if isinstance(self._problem, DeadLettersFull) and not self._queue:
            wanted = max(0, self._problem.wanted - self._problem.limit)
            if self._segments.bytes + wanted <= self._problem.limit:
                self._set_problem(None)
        elif isinstance(self._problem, DeadLettersUnwritable) and not self._queue:
            await self._try_out()

    async def _try_out(self) -> None:
        """Test whether the disk can be written again, without waiting for a letter."""
        try:
            await self._in_thread(partial(self._segments.try_out, self._failed_bytes))
        except DeadLettersUnwritable:
            return
        if not self._queue:
            self._set_problem(None)

    async def mark_done(self, letters: Sequence[Filed]) -> None:
        """Mark these done on disk: safe elsewhere, or purged; fsynced on return.

        Raises:
            DeadLettersUnwritable: some may not be marked and are put through again, which
                their keys make harmless.
        """
        ids: dict[Path, list[str]] = {}
        for filed in letters:
            ids.setdefault(filed.segment, []).append(filed.stored.id)
        await self._in_thread(lambda: self._segments.mark(ids))

    async def sweep(self) -> None:
        """Free the room of letters that are done; a full folder may have room again.

        Raises:
            DeadLettersUnwritable: they stay marked, the next sweep takes them.
        """
        await self._in_thread(self._segments.sweep)
        await self.tidy()

    async def close(self) -> None:
        """Finish what was put and close the segment."""
        while self._commits is not None and not self._commits.done():
            await asyncio.wait([self._commits])
        await self._in_thread(self._segments.close)
        self._thread.shutdown(wait=False)

    async def _commit(self) -> None:
        while self._queue:
            group, self._queue = self._queue, []
            try:
                await self._watched(self._in_thread(partial(self._write, group)))
            except Exception as error:
                log.exception("a bug: %d puts of dead letters failed, not acked", len(group))
                for put in group:
                    put.problem = DeadLettersUnwritable(path=str(self.directory), cause=repr(error))
            self._count_dropped()
            problems = [put.problem for put in group if put.problem is not None]
            self._log_shares([one for one in problems if isinstance(one, DeadLettersShareFull)])
            # One peer's full share is not a trouble of the others, and does not end one.
            others = [one for one in problems if not isinstance(one, DeadLettersShareFull)]
            if others or len(problems) < len(group):
                self._set_problem(next(iter(others), None))
            for put in group:
                _answer(put)

    async def _watched(self, work: Coroutine[None, None, None]) -> None:
        """Wait for a write, and log one that does not return: nothing is acked meanwhile."""
        writing = asyncio.ensure_future(work)
        if not (await asyncio.wait([writing], timeout=self._slow_seconds))[0]:
            self._slow = (
                f"a write to {self.directory} has not returned for {self._slow_seconds:g} s; "
                "windows that wait for it are not acked: look at the disk"
            )
            log.error("%s", self._slow)
        try:
            await writing
        finally:
            self._slow = None

    def _write(self, group: Sequence[_Put]) -> None:
        """In the thread: every put that finds room, in one write and one fsync."""
        try:
            with self._segments.locked():  # no other process uses the room found
                self._write_locked(group)
        except DeadLettersUnwritable as problem:
            for put in group:
                put.problem = put.problem or problem

    def _write_locked(self, group: Sequence[_Put]) -> None:
        now_ns = self._clock.time_ns()
        time = rfc3339_of_ns(now_ns)
        lines: list[Iterable[bytes]] = []
        size = 0
        by_peer: Counter[str] = Counter()
        kept: list[_Put] = []
        for put in group:
            encoded: list[Iterable[bytes]] = []
            of_put: Counter[str] = Counter()
            for letter in _joined(put.letters):
                length, pieces = letter_pieces(
                    letter, letter_id=self._ids.next_id(now_ns), time=time
                )
                encoded.append(pieces)
                of_put[host_of(letter.peer)] += length
            wanted = of_put.total()
            try:
                self._segments.make_room(
                    size + wanted, {peer: by_peer[peer] + of_put[peer] for peer in of_put}
                )
            except (DeadLettersFull, DeadLettersUnwritable) as problem:
                put.problem = problem
                continue
            lines += encoded
            size += wanted
            by_peer += of_put
            kept.append(put)
        if lines:
            try:
                self._segments.append(gathered(lines), len(lines), by_peer)
            except DeadLettersUnwritable as problem:
                self._failed_bytes = min(size, MOST_TRIED_BYTES)
                for put in kept:
                    put.problem = problem

    def _set_problem(self, problem: Problem | None) -> None:
        before, self._problem = self._problem, problem
        if problem is not None and type(problem) is not type(before):
            log.error("%s", problem)
        if problem is None and before is not None:
            log.info("dead letters in %s are kept again", self.directory)

    def _log_shares(self, problems: Sequence[DeadLettersShareFull]) -> None:
        """Log at most one line a minute: a peer that sends such events sends them again."""
        now = self._clock.monotonic()
        if problems and now - self._share_logged_at >= SHARE_SECONDS:
            self._share_logged_at = now
            log.warning("%s", problems[0])

    def _count_dropped(self) -> None:
        for reason, count in self._segments.take_dropped().items():
            log.warning("%d dead letters were deleted (%s)", count, reason)
            self._metrics.add("ptingest_dead_letters_dropped_events_total", count, reason)

    def _refresh(self) -> None:
        self._metrics.set("ptingest_dead_letters_bytes", self._segments.bytes)
        self._metrics.set("ptingest_dead_letters_waiting_events", self._segments.lines)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _joined(letters: Sequence[DeadLetter]) -> Iterator[DeadLetter]:
    """Join equal letters with an empty payload: there is nothing to put through again."""
    counts: dict[DeadLetter, int] = {}
    for letter in letters:
        if letter.payload.strip():
            yield letter
        else:
            counts[letter] = counts.get(letter, 0) + letter.count
    for letter, count in counts.items():
        yield replace(letter, count=count)


def _answer(put: _Put) -> None:
    if put.done.done():  # its caller was cancelled; the letter stays, at worst as a duplicate
        return
    if put.problem is None:
        put.done.set_result(None)
    else:
        put.done.set_exception(put.problem)


def _writable(text: str) -> str:
    """Return text that UTF-8 can hold: lone surrogates, which JSON can escape, are replaced."""
    return text.encode("utf-8", "replace").decode()

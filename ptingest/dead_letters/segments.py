"""Segments: files that are only appended to, whole groups of lines or nothing.

    <start time>-<pid>-<number>.ndjson     one writer each, who holds its lock
    <segment>.done                         which of its lines are done; see ``tombstones``
    <segment>.torn                         what a crash left after the last whole line

Both are deleted with their segment; until then they count against the limit too.

Several workers write at once, each its own segment. Whatever reads the folder and then changes
it (room, then a line; a new segment, then its lock; a sweep) is done under a lock on the folder,
so that limits hold for all of them together and no worker deletes what another has just begun.

Every call blocks on the disk, so they are made from a thread. A write that fails is cut
off again, so that a segment always ends with a whole line as long as its writer lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import mmap
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ptingest.dead_letters.occupancy import PeerOf, count_lines, refuse_too_much
from ptingest.dead_letters.tombstones import (
    NEW_SUFFIX,
    IdOf,
    add_marks,
    done_path,
    marks_of,
    sweep,
)
from ptingest.errors import DeadLettersFull, DeadLettersUnwritable
from ptingest.model.contracts import Clock
from ptingest.model.disk import sync_folder, write_all
from ptingest.settings.delivery import DeadLettersSettings

log = logging.getLogger(__name__)

SUFFIX = ".ndjson"
PROBE_FILE = "trial"
"""Begins the name of a temporary file, written to see whether the disk can be written."""
TORN_SUFFIX = ".torn"
SETTING = "dead_letters.max_bytes"
OPEN_FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
EMPTY: Mapping[str, int] = MappingProxyType({})
DAY_SECONDS = 86_400
"""A segment is rolled after a day, so that age can expire old ones."""


def segments(directory: Path) -> list[Path]:
    """Return the segments of a folder, oldest first; none when there is no folder."""
    try:
        return sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIX))
    except FileNotFoundError:
        return []


def torn_path(segment: Path) -> Path:
    """Where the torn tail of a segment is kept."""
    return segment.with_name(segment.name + TORN_SUFFIX)


def whole_bytes(path: Path, is_whole: Callable[[bytes], bool]) -> int:
    """Return how many bytes from the start are whole lines.

    After a power cut a file may be longer than what was written, so the last line must
    also be one by its content.
    """
    size = path.stat().st_size
    if size == 0:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        end = content.rfind(b"\n") + 1
        while end:
            start = content.rfind(b"\n", 0, end - 1) + 1
            if is_whole(content[start:end]):
                return end
            end = start
    return 0


def mend(path: Path, is_whole: Callable[[bytes], bool]) -> int:
    """Move what follows the last whole line of an ended writer's segment to a file beside it.

    Returns the bytes moved; a segment whose writer is running is left alone.
    """
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        end = whole_bytes(path, is_whole)
        file.seek(end)
        tail = file.read()
        if tail:
            with torn_path(path).open("ab") as aside:
                aside.write(tail)
                aside.flush()
                os.fsync(aside.fileno())
            file.truncate(end)
            os.fsync(file.fileno())
    return len(tail)


class SegmentCount(NamedTuple):
    """What is in one segment; counted again when a size has changed."""

    bytes: int
    beside: int
    """Bytes of its marks and its torn tail."""
    waiting: int
    """Lines that are not done."""
    by_peer: Mapping[str, int]
    """Bytes of lines by peer."""
    inode: int
    """A sweep makes a new file of the same name."""


def no_id(line: bytes) -> str | None:  # noqa: ARG001
    """For writers whose lines have no ids: nothing is ever marked done."""
    return None


def no_peer(line: bytes) -> str:  # noqa: ARG001
    """For writers whose lines belong to no peer: no shares are kept."""
    return ""


_NOTHING_COUNTED = SegmentCount(0, 0, 0, {}, 0)


class SegmentWriter:
    """Appends, rolls and expires segments for one process; used by one thread."""

    def __init__(
        self,
        directory: Path,
        settings: DeadLettersSettings,
        clock: Clock,
        *,
        segment_bytes: int,
        is_whole: Callable[[bytes], bool],
        id_of: IdOf = no_id,
        peer_of: PeerOf = no_peer,
    ) -> None:
        self.directory = directory
        self.bytes = 0
        """All segments together, of every writer, when last counted."""
        self.lines = 0
        """Lines in them that are not done, when last counted."""
        self.by_peer: Mapping[str, int] = {}
        """Bytes of lines by peer, when last counted."""
        self.torn_bytes = 0
        """Bytes of half-written lines moved aside by ``open``."""
        self._settings, self._clock, self._is_whole = settings, clock, is_whole
        self._id_of, self._peer_of = id_of, peer_of
        self._segment_bytes = segment_bytes
        self._seen: dict[str, SegmentCount] = {}
        self._dropped: dict[str, int] = {}
        self._is_open = False
        self.descriptor = -1
        self._path = directory
        self._size = 0
        self._began_ns = 0
        self._number = 0
        self._lock_depth = 0

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the folder: no other process changes it; may be held around other calls.

        Raises:
            DeadLettersUnwritable: the folder cannot be made or locked.
        """
        if self._lock_depth:
            yield
            return
        try:
            self._make_folder()
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._lock_depth = 1
            yield
        finally:
            self._lock_depth = 0
            os.close(descriptor)

    def _make_folder(self) -> None:
        made = not self.directory.exists()
        self.directory.mkdir(parents=True, exist_ok=True)
        if made:
            sync_folder(self.directory.parent)

    def open(self) -> None:
        """Make the folder, repair segments of ended writers, expire, count; only once."""
        if self._is_open:
            return
        with self.locked():
            try:
                for path in segments(self.directory):
                    self.torn_bytes += mend(path, self._is_whole)
                for path in self.directory.glob(f"*{SUFFIX}{NEW_SUFFIX}"):
                    path.unlink()  # of a sweep that a crash interrupted; its segment is unchanged
                sync_folder(self.directory)
                self._is_open = True
                self.count()
            except OSError as error:
                raise self._unwritable(error) from error

    def append(
        self, pieces: Iterable[bytes], lines: int, by_peer: Mapping[str, int] = EMPTY
    ) -> None:
        """Write and fsync ``lines`` whole lines, or leave the segment as it was.

        They may come piece by piece, so that memory never holds all of them. ``by_peer`` says
        how many bytes are of which peer, where shares are kept.

        Raises:
            DeadLettersUnwritable: nothing of them is kept.
        """
        self.open()
        with self.locked():
            try:
                self._roll_if_due()
                size = self._write(pieces)
            except OSError as error:
                raise self._unwritable(error) from error
            self.bytes += size
            self.lines += lines
            seen = self._seen.get(self._path.name, _NOTHING_COUNTED)
            self._seen[self._path.name] = SegmentCount(
                seen.bytes + size,
                seen.beside,
                seen.waiting + lines,
                Counter(seen.by_peer) + Counter(by_peer),
                os.fstat(self.descriptor).st_ino,
            )

    def try_out(self, size: int) -> None:
        """Write and fsync ``size`` bytes beside the segments, and delete them again.

        Raises:
            DeadLettersUnwritable: a letter of that size would not be kept either.
        """
        self.open()
        probe = self.directory / f"{PROBE_FILE}.{os.getpid()}"
        with self.locked():
            try:
                try:
                    with probe.open("wb") as file:
                        file.write(bytes(size))
                        file.flush()
                        os.fsync(file.fileno())
                finally:
                    probe.unlink(missing_ok=True)
            except OSError as error:
                raise self._unwritable(error) from error

    def make_room(self, wanted: int, by_peer: Mapping[str, int] = EMPTY) -> None:
        """Expire by age; then free what is done, then drop the oldest where that is allowed.

        ``by_peer`` says how much of ``wanted`` is of which peer, where shares are kept.

        Raises:
            DeadLettersFull: ``wanted`` more bytes would exceed the limit, or (as
                ``DeadLettersShareFull``) the share of one peer.
            DeadLettersUnwritable: the folder cannot be read or changed.
        """
        self.open()
        with self.locked():
            try:
                self.count()
                if not self._fits(wanted, by_peer):
                    self._sweep()
                if self._settings.when_full == "drop_oldest":
                    self._drop_until_fits(wanted)
            except OSError as error:
                raise self._unwritable(error) from error
            if self.bytes + wanted > self._settings.max_bytes:
                raise DeadLettersFull(
                    wanted=self.bytes + wanted, limit=self._settings.max_bytes, setting=SETTING
                )
            if self._settings.when_full == "refuse":
                refuse_too_much(self.by_peer, by_peer, free=self._free(wanted))

    def _free(self, wanted: int) -> int:
        return self._settings.max_bytes - self.bytes - wanted

    def _fits(self, wanted: int, by_peer: Mapping[str, int]) -> bool:
        free = self._free(wanted)
        return free >= 0 and all(
            self.by_peer.get(peer, 0) + size <= free for peer, size in by_peer.items()
        )

    def mark(self, done: Mapping[Path, Sequence[str]]) -> None:
        """Mark lines done by their ids, fsynced; segments gone meanwhile need no mark.

        Raises:
            DeadLettersUnwritable: some may not be marked; they are put through again.
        """
        self.open()
        with self.locked():
            try:
                for path, ids in done.items():
                    if path.exists():
                        add_marks(path, ids)
            except OSError as error:
                raise self._unwritable(error) from error

    def sweep(self) -> None:
        """Free the room of lines that are done, and count.

        Raises:
            DeadLettersUnwritable: what is done stays marked and keeps its room.
        """
        self.open()
        with self.locked():
            try:
                self._sweep()
            except OSError as error:
                raise self._unwritable(error) from error

    def count(self) -> None:
        """Expire what is too old and bring ``bytes`` and ``lines`` up to date."""
        oldest_allowed = self._clock.time_ns() / 1e9 - self._settings.max_age_days * DAY_SECONDS
        seen: dict[str, SegmentCount] = {}
        for path in segments(self.directory):
            try:
                status = path.stat()
                if status.st_mtime < oldest_allowed and self._drop(path, "expired"):
                    continue
                beside = _size(done_path(path)) + _size(torn_path(path))
                seen[path.name] = self._count_segment(path, status, beside)
            except FileNotFoundError:  # deleted by another worker or a purge
                continue
        self._seen = seen
        self.bytes = sum(one.bytes + one.beside for one in seen.values())
        self.lines = sum(one.waiting for one in seen.values())
        self.by_peer = sum((Counter(one.by_peer) for one in seen.values()), Counter())

    def _count_segment(self, path: Path, status: os.stat_result, beside: int) -> SegmentCount:
        """Count what was added since; everything where lines were marked or swept."""
        known = self._seen.get(path.name, _NOTHING_COUNTED)
        inode, size = status.st_ino, status.st_size
        if (known.inode, *known[:2]) == (inode, size, beside):
            return known
        if known.inode != inode or known.beside != beside or size < known.bytes:
            known = _NOTHING_COUNTED
        waiting, by_peer = count_lines(
            path, known.bytes, marks=marks_of(path), id_of=self._id_of, whose=self._peer_of
        )
        return SegmentCount(
            size, beside, known.waiting + waiting, Counter(known.by_peer) + by_peer, inode
        )

    def take_dropped(self) -> dict[str, int]:
        """Return letters dropped since the last call, by reason."""
        dropped, self._dropped = self._dropped, {}
        return dropped

    def close(self) -> None:
        """Close the segment; the next append begins another."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _roll_if_due(self) -> None:
        now = self._clock.time_ns()
        if self.descriptor >= 0:
            is_old = now - self._began_ns > DAY_SECONDS * 1_000_000_000
            # A purge may have deleted the file that is open here.
            is_gone = os.fstat(self.descriptor).st_nlink == 0
            if self._size < self._segment_bytes and not is_old and not is_gone:
                return
            self.close()
        began = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.descriptor = -1
        while self.descriptor < 0:
            self._number += 1
            self._path = self.directory / f"{began}-{os.getpid()}-{self._number:04d}{SUFFIX}"
            # Where the clock was set back, a name may exist: containers reuse process ids.
            with contextlib.suppress(FileExistsError):
                self.descriptor = os.open(self._path, OPEN_FLAGS, 0o640)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sync_folder(self.directory)
        self._size, self._began_ns = 0, now

    def _write(self, pieces: Iterable[bytes]) -> int:
        """Return how many bytes they were."""
        size = 0
        try:
            for piece in pieces:
                write_all(self.descriptor, piece)
                size += len(piece)
            os.fsync(self.descriptor)
        except OSError:
            self._cut_back()
            raise
        self._size += size
        return size

    def _cut_back(self) -> None:
        """After a failed write or fsync, truncate to the last whole line and close the segment.

        After a failed fsync it is unknown what of the file is on disk, so it is not used again.
        """
        try:
            os.ftruncate(self.descriptor, self._size)
            os.fsync(self.descriptor)
        except OSError as error:
            log.warning(
                "%s may end with half a letter (%s); the next start moves it aside; it was "
                "not acked",
                self._path,
                error.strerror,
            )
        finally:
            self.close()

    def _drop_until_fits(self, wanted: int) -> None:
        for path in segments(self.directory):
            if self.bytes + wanted <= self._settings.max_bytes:
                return
            if path == self._path:
                self.close()
            seen = self._seen.get(path.name, _NOTHING_COUNTED)
            if self._drop(path, "pushed_out"):
                self.bytes -= seen.bytes + seen.beside
                self.lines -= seen.waiting
                self._seen.pop(path.name, None)

    def _sweep(self) -> None:
        for path in segments(self.directory):
            if done_path(path).exists():
                if path == self._path:
                    self.close()
                sweep(path, self._id_of)
                if not path.exists():
                    torn_path(path).unlink(missing_ok=True)
        self.count()

    def _count_waiting(self, path: Path) -> int:
        waiting, _ = count_lines(
            path, 0, marks=marks_of(path), id_of=self._id_of, whose=self._peer_of
        )
        return waiting

    def _drop(self, path: Path, reason: str) -> bool:
        """Delete a segment unless another writer still appends to it."""
        if path == self._path:
            self.close()
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            lines = self._count_waiting(path)
            path.unlink()
        for beside in (done_path(path), torn_path(path)):
            beside.unlink(missing_ok=True)
        self._dropped[reason] = self._dropped.get(reason, 0) + lines
        return True

    def _unwritable(self, error: OSError) -> DeadLettersUnwritable:
        return DeadLettersUnwritable(
            path=str(self.directory), cause=error.strerror or type(error).__name__
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

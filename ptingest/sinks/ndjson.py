"""Documents as lines of JSON: appended to a file and rotated, or on standard output.

A line is the document's body and nothing else: it names its data stream itself. Keys are not
kept, so documents sent again are written again: consumers must tolerate duplicates.

    batch --one write--> file --fsync--> stored       a write that fails is cut off again

When ``write`` returns, what it calls stored is on disk. A crash may leave the beginning of a
batch behind, but no half line after the next start: the torn end is cut when the file is
opened. On standard output it is unknown what the reader did with a line.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import select
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ptingest.model.disk import sync_folder, write_all
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.outcome import WriteResult
from ptingest.settings.sinks import NdjsonSettings

STANDARD_OUTPUT = 1
TAIL_STEP_BYTES = 1 << 16
POLL_MILLISECONDS = 200
"""How often a write that waits for the reader of standard output checks for a close."""

_log = logging.getLogger(__name__)


class NdjsonSink:
    """Implements ``Sink``; ``path`` None is standard output."""

    def __init__(
        self,
        settings: NdjsonSettings,
        *,
        path: Path | None,
        name: str = "ndjson",
        print_as: Callable[[Sequence[Document]], bytes] | None = None,
    ) -> None:
        """``print_as`` says how documents look on standard output: a line of JSON each, unless
        told otherwise."""
        self.name, self._print_as = name, print_as or lines_of
        self._file = (
            None if path is None else RotatedFile(path, int(settings.max_bytes), settings.keep)
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ndjson")
        self._is_closed = False

    async def write(
        self,
        documents: Sequence[Document],
        doubtful: frozenset[Document],  # noqa: ARG002 - lines cannot be looked up
    ) -> WriteResult:
        """Append one batch and return when it is on disk."""
        write = self._print if self._file is None else self._append
        return await asyncio.get_running_loop().run_in_executor(self._thread, write, documents)

    async def check(self) -> Sequence[Finding]:
        """Open the file as a write would."""
        if self._file is None:
            return [Finding("ok", self.name, "standard output")]
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._file.open)
        except OSError as error:
            cure = "see sinks.ndjson.path"
            return [Finding("problem", "ndjson", self._explain(error), cure, stops_all=True)]
        return [Finding("ok", "ndjson", f"{self._file.path} can be opened and written")]

    async def close(self) -> None:
        """Close the file; closing again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._file is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        # Do not wait here for a reader of standard output that does not read.
        self._thread.shutdown(wait=self._file is not None)

    # --- all below runs on the sink's own thread ----------------------------------------

    def _append(self, documents: Sequence[Document]) -> WriteResult:
        assert self._file is not None
        try:
            doubt = self._file.append(lines_of(documents))
        except OSError as error:
            return WriteResult(busy=documents, trouble=self._explain(error))
        if doubt is not None:
            return WriteResult(doubtful=documents, trouble=self._explain(doubt))
        return WriteResult()

    def _print(self, documents: Sequence[Document]) -> WriteResult:
        data = memoryview(self._print_as(documents))
        written = 0
        try:
            while written < len(data):
                if not self._is_read_from():
                    break
                written += os.write(STANDARD_OUTPUT, data[written : written + select.PIPE_BUF])
        except OSError as error:
            trouble = f"standard output cannot be written ({error.strerror}); trying again"
        else:
            if written == len(data):
                return WriteResult()
            trouble = "standard output is not read"
        if written:
            return WriteResult(doubtful=documents, trouble=trouble)
        return WriteResult(busy=documents, trouble=trouble)

    def _is_read_from(self) -> bool:
        """Wait until a piece can be written without blocking; False when closed before that.

        A thread blocked in ``write`` would keep the process from ending.
        """
        writable = select.poll()
        writable.register(STANDARD_OUTPUT, select.POLLOUT)
        while not writable.poll(POLL_MILLISECONDS):
            if self._is_closed:
                return False
        return True

    def _explain(self, error: OSError) -> str:
        assert self._file is not None
        path = self._file.path
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return (
                f"no room for {path} ({error.strerror}); nothing is acked until there is: "
                "make room, or lower sinks.ndjson.max_bytes or keep"
            )
        if error.errno == errno.EWOULDBLOCK:
            return (
                f"{path} is in use by another process; one file has one writer: set "
                "workers: 1 or give each its own sinks.ndjson.path"
            )
        return f"{path} cannot be written ({error.strerror}); trying again"


def lines_of(documents: Sequence[Document]) -> bytes:
    """Return each document as its line."""
    return b"".join([part for document in documents for part in (document.body, b"\n")])


class RotatedFile:
    """A file of whole lines with its older parts ``.1`` (youngest) to ``.<keep>`` beside it."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.path, self._max_bytes, self._keep = path, max_bytes, keep
        self._descriptor: int | None = None
        self._inode = 0
        self._size = 0

    def append(self, data: bytes) -> OSError | None:
        """Write whole lines and bring them to disk; None when they are there.

        An error returned means that ``data`` may be in the file, whole or in part; the file
        is then opened anew.

        Raises:
            OSError: nothing of ``data`` is in the file.
        """
        descriptor = self.open()
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
            descriptor = self.open()
        try:
            write_all(descriptor, data)
        except OSError as error:
            if self._is_taken_back(descriptor):
                raise
            return error
        try:
            os.fsync(descriptor)
        except OSError as error:
            # The kernel may have dropped the pages; a second fsync would succeed all the same.
            self.close()
            return error
        self._size += len(data)
        return None

    def _is_taken_back(self, descriptor: int) -> bool:
        try:
            os.ftruncate(descriptor, self._size)
        except OSError as error:
            _log.warning("%s: cannot cut off a half-written batch: %s", self.path, error)
            self.close()
            return False
        return True

    def open(self) -> int:
        """Return the descriptor, opened anew when the file was moved away or removed."""
        if self._descriptor is not None:
            try:
                if self.path.stat().st_ino == self._inode:
                    return self._descriptor
            except FileNotFoundError:
                pass
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = _cut_torn_end(descriptor)
            self._inode = os.fstat(descriptor).st_ino
            sync_folder(self.path.parent)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return descriptor

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            older = self._part(number)
            if older.exists():
                older.replace(self._part(number + 1))
        self.path.replace(self._part(1))

    def _part(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def close(self) -> None:
        """Close the file and release its lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _cut_torn_end(descriptor: int) -> int:
    """Cut what follows the last line break, which a crash left; return the size."""
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        start = max(0, end - TAIL_STEP_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        _log.warning("cut %d bytes of an incomplete line", size - end)
        os.ftruncate(descriptor, end)
    return end

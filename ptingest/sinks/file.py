"""Lines of JSON in the files that targets name: the output ``file`` of a ``logstash.conf``.

    batch --by path--> one write and one fsync a file --> stored
                   --> a path that no file can have --> refused, a dead letter

As for the sink ``ndjson``: what ``write`` calls stored is on disk, a write that fails is cut off
again, and lines of events that are sent again are written again. Paths come from events, so that
there may be ever new ones: a bounded number of files is open at a time. Nothing is rotated; a
file that was moved away is made anew (logrotate without ``copytruncate``).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.settings.sinks import FileSettings
from ptingest.sinks.ndjson import RotatedFile, lines_of

NEVER_ROTATED = 1 << 62
"""Bytes."""
_OF_THE_PATH = frozenset(
    {
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.EINVAL,
        errno.EILSEQ,
    }
)
"""Errors that are the path's own, so that waiting is of no use."""


class FileSink:
    """Implements ``Sink`` for any number of files."""

    name = "file"

    def __init__(self, settings: FileSettings) -> None:
        self._most = settings.open_files
        self._files: dict[str, RotatedFile] = {}
        """Open files, the one written longest ago first."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="file")
        self._is_closed = False

    async def write(
        self,
        documents: Sequence[Document],
        doubtful: frozenset[Document],  # noqa: ARG002 - lines cannot be looked up
    ) -> WriteResult:
        """Append one batch and return when it is on disk."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._append_all, documents
        )

    async def check(self) -> Sequence[Finding]:
        """Nothing is known before an event names a file."""
        return [Finding("ok", self.name, "files are opened when an event names them")]

    async def close(self) -> None:
        """Close all files; closing again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_all)
        self._thread.shutdown()

    # --- all below runs on the sink's own thread ----------------------------------------

    def _append_all(self, documents: Sequence[Document]) -> WriteResult:
        by_path: dict[str, list[Document]] = {}
        for document in documents:
            by_path.setdefault(document.target.name, []).append(document)
        busy: list[Document] = []
        doubtful: list[Document] = []
        refused: list[Refusal] = []
        trouble = None
        for path, part in by_path.items():
            try:
                doubt = self._file(path).append(lines_of(part))
            except ValueError as error:  # a NUL in the path
                refused += [Refusal(one, "illegal_path", f"{path!r}: {error}") for one in part]
            except OSError as error:
                if error.errno in _OF_THE_PATH:
                    detail = f"{path!r}: {error.strerror}"
                    refused += [Refusal(one, "illegal_path", detail) for one in part]
                else:
                    busy += part
                    trouble = f"{path} cannot be written ({error.strerror}); trying again"
            else:
                if doubt is not None:
                    doubtful += part
                    trouble = f"{path} cannot be written ({doubt.strerror}); trying again"
        return WriteResult(busy=busy, doubtful=doubtful, refused=refused, trouble=trouble)

    def _file(self, path: str) -> RotatedFile:
        file = self._files.pop(path, None)
        if file is None:
            while len(self._files) >= self._most:
                self._files.pop(next(iter(self._files))).close()
            file = RotatedFile(Path(path), NEVER_ROTATED, 1)
        self._files[path] = file
        return file

    def _close_all(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

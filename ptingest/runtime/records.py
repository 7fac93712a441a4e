"""Files cut into records, with the place of each, as a Beat's harvester does it.

A record is one line, or a line that looks like the start of a record
(``LEVEL|...``) with the lines below it that do not: a traceback stays with its error.
Lines of files that never look like that (nginx, react) stay lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RECORD_START = re.compile(rb"[A-Za-z0-9_]+\|")
READ_BYTES = 1 << 20
MAX_RECORD_BYTES = 10 << 20
"""Filebeat's ``message_max_bytes``; a longer record is cut there and goes on as the next."""


class Record(NamedTuple):
    """One message and where it lies: ``[begin, end)`` in bytes from the file's start."""

    text: bytes
    begin: int
    end: int
    is_multiline: bool


class FilePlace(NamedTuple):
    """What a registry keeps of a file; device and inode tell a rotated one."""

    device: int
    inode: int
    offset: int


class RecordReader:
    """Reads one file from a place on; keeps the file open while it is rotated away."""

    def __init__(self, path: Path, place: FilePlace | None = None) -> None:
        self.path = path
        self._file = path.open("rb")
        status = os.fstat(self._file.fileno())
        self.device, self.inode = status.st_dev, status.st_ino
        known = place is not None and (place.device, place.inode) == (self.device, self.inode)
        self.position = place.offset if place is not None and known else 0
        if self.position > status.st_size:  # truncated since: it is a new file
            self.position = 0
        self._rest = b""
        self._lines: list[tuple[bytes, int, int]] = []

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()

    def was_replaced(self) -> bool:
        """Whether the path now names another file (rotated), or this one was truncated."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            return True
        return status.st_size < self.position

    def read(self, *, to_the_end: bool) -> Iterator[Record]:
        """Yield what is complete now.

        With ``to_the_end`` the last line counts without its newline and the last record
        without a successor; else both wait for more, as they may go on growing.
        """
        self._file.seek(self.position + len(self._rest))
        while chunk := self._file.read(READ_BYTES):
            yield from self._cut(chunk)
        if to_the_end:
            if self._rest:
                yield from self._line(self._rest, len(self._rest))
                self._rest = b""
            yield from self._flush()

    def flush(self) -> Iterator[Record]:
        """Yield the record that waits for continuation lines, when none came for a while."""
        yield from self._flush()

    def _cut(self, chunk: bytes) -> Iterator[Record]:
        data = self._rest + chunk
        begin = 0
        while True:
            newline = data.find(b"\n", begin)
            end = len(data) if newline < 0 else newline
            while end - begin > MAX_RECORD_BYTES:
                part = data[begin : begin + MAX_RECORD_BYTES]
                yield from self._line(part, MAX_RECORD_BYTES)
                begin += MAX_RECORD_BYTES
            if newline < 0:
                break
            yield from self._line(data[begin:newline], newline + 1 - begin)
            begin = newline + 1
        self._rest = data[begin:]

    def _line(self, text: bytes, length: int) -> Iterator[Record]:
        begin, self.position = self.position, self.position + length
        line = (text.removesuffix(b"\r"), begin, self.position)
        starts = RECORD_START.match(text) is not None
        if self._lines and not starts and self._waiting_bytes() + length <= MAX_RECORD_BYTES:
            self._lines.append(line)
            return
        yield from self._flush()
        if starts:
            self._lines.append(line)
        elif line[0]:
            yield Record(*line, is_multiline=False)

    def _waiting_bytes(self) -> int:
        return self._lines[-1][2] - self._lines[0][1]

    def _flush(self) -> Iterator[Record]:
        if self._lines:
            lines = self._lines
            text = b"\n".join([line[0] for line in lines])
            self._lines = []
            yield Record(text, lines[0][1], lines[-1][2], is_multiline=len(lines) > 1)

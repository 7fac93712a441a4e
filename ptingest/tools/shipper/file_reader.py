"""Reads files as records with their positions, as a Beat's harvester does.

A record is one line, or a line that looks like the start of a record (``LEVEL|...``) together
with the following lines that do not: a traceback stays with its error. In files without such
lines (nginx, react) each line is a record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from ptingest.pipeline.plain_lines import RECORD_START

READ_BYTES = 1 << 20
MAX_RECORD_BYTES = 10 << 20
"""Filebeat's ``message_max_bytes``; a longer record is cut there into several."""
MAX_JSON_BYTES = 15 << 20
"""The same of a record as JSON: the server's limit for one event (16 MiB), less other fields."""
SURELY_FITS_BYTES = MAX_JSON_BYTES // len(r"\u0000")
"""A record up to this size is never too long as JSON, whatever its bytes are."""


class Record(NamedTuple):
    """One message and its position: ``[begin, end)`` in bytes from the file's start."""

    text: bytes
    begin: int
    end: int


class FilePlace(NamedTuple):
    """A position as the registry saves it; device and inode identify a rotated file."""

    device: int
    inode: int
    offset: int


class RecordReader:
    """Reads one file from a position on; keeps it open when it is rotated."""

    def __init__(self, path: Path, place: FilePlace | None = None) -> None:
        self.path = path
        self._file = path.open("rb")
        status = os.fstat(self._file.fileno())
        self.device, self.inode = status.st_dev, status.st_ino
        known = place is not None and (place.device, place.inode) == (self.device, self.inode)
        self.position = place.offset if place is not None and known else 0
        if self.position > status.st_size:  # truncated since, so it is a new file
            self.position = 0
        self._rest = b""
        self._lines: list[tuple[bytes, int, int]] = []
        self._json_bytes = 0

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
        """Yield the records that are complete now.

        With ``to_the_end`` the last line needs no newline and the last record no successor;
        else both wait, since they may still grow.
        """
        self._file.seek(self.position + len(self._rest))
        while chunk := self._file.read(READ_BYTES):
            yield from self._cut(chunk)
        if to_the_end:
            if self._rest:
                yield from self._whole_line(self._rest, ending=0)
                self._rest = b""
            yield from self._flush()

    def flush(self) -> Iterator[Record]:
        """Yield the record that waits for continuation lines."""
        yield from self._flush()

    def _cut(self, chunk: bytes) -> Iterator[Record]:
        data = self._rest + chunk
        begin = 0
        while (newline := data.find(b"\n", begin)) >= 0:
            yield from self._whole_line(data[begin:newline], ending=1)
            begin = newline + 1
        while len(data) - begin > MAX_RECORD_BYTES:
            part = _first_part(data[begin : begin + MAX_RECORD_BYTES])
            yield from self._line(part, len(part))
            begin += len(part)
        self._rest = data[begin:]

    def _whole_line(self, line: bytes, *, ending: int) -> Iterator[Record]:
        while len(line) > SURELY_FITS_BYTES and len(part := _first_part(line)) < len(line):
            yield from self._line(part, len(part))
            line = line[len(part) :]
        yield from self._line(line, len(line) + ending)

    def _line(self, text: bytes, length: int) -> Iterator[Record]:
        begin, self.position = self.position, self.position + length
        line = (text.removesuffix(b"\r"), begin, self.position)
        starts = RECORD_START.match(text) is not None
        if self._lines and not starts and self._joins(text, length):
            self._lines.append(line)
            return
        yield from self._flush()
        if starts:
            self._lines.append(line)
        elif line[0]:
            yield Record(*line)

    def _joins(self, text: bytes, length: int) -> bool:
        size = self._lines[-1][2] - self._lines[0][1] + length
        if size <= SURELY_FITS_BYTES:
            return True
        if size > MAX_RECORD_BYTES:
            return False
        if not self._json_bytes:
            self._json_bytes = _json_bytes(b"\n".join([line[0] for line in self._lines]))
        self._json_bytes += len(r"\n") + _json_bytes(text)
        return self._json_bytes <= MAX_JSON_BYTES

    def _flush(self) -> Iterator[Record]:
        if self._lines:
            lines = self._lines
            text = b"\n".join([line[0] for line in lines])
            self._lines, self._json_bytes = [], 0
            yield Record(text, lines[0][1], lines[-1][2])


def _json_bytes(text: bytes) -> int:
    quotes = 2
    return len(orjson.dumps(text.decode(errors="replace"))) - quotes


def _first_part(line: bytes) -> bytes:
    """Return the first record of a long line: all of it, or as much as both limits allow
    after halving. The result depends on the bytes of the line only, not on how they were read."""
    size = MAX_RECORD_BYTES
    while size > SURELY_FITS_BYTES and _json_bytes(line[:size]) > MAX_JSON_BYTES:
        size //= 2
    return line[:size]

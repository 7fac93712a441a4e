"""Recognises events that end the process which works on them (poison messages).

    begin(chunk) --its first event, on disk--> pipeline --> end()
         worker dies here: the next one finds the chunk at its start, and counts it

A Beat resends what was not acked, so an event that makes a process crash, hang until a
watchdog kills it, or use up the memory, ends one process after the other. A chunk that has
ended ``TOLERATED`` processes goes through the pipeline event by event; an event that ends one
alone is a dead letter from then on. A chunk that comes through is forgotten.

The record is in ``data_dir``/poison: one file for each worker with the first event of its
current chunk, and one table for all workers. Filebeat writes the members of an event in a
different order each time, so events are compared independently of that order.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Self

from ptingest.model.contracts import Clock
from ptingest.model.document import LARGE_BYTES

log = logging.getLogger(__name__)

TOLERATED = 3
"""Processes that one chunk may end; other events or the machine may have been the cause."""
REMEMBERED = 16
"""Most chunks and events in the table."""
LOOK_SECONDS = 1.0
"""How often the table is read for entries of other workers."""

_HEAD = struct.Struct(">II?")
"""Events of the current chunk, 0 for none; bytes of the first; whether it was split off."""
_NOTHING = _HEAD.pack(0, 0, False)
_SEPARATORS = bytes.maketrans(b"{}[]: \t\r\n", b"," * 9)


def fingerprint(first: bytes, events: int) -> str:
    """Identify a chunk by its length and the parts of its first event in any order."""
    parts = sorted(first.translate(_SEPARATORS).split(b","))
    return f"{blake2b(b','.join(parts), digest_size=16).hexdigest()}-{events}"


class PoisonRecord:
    """The current chunk of one worker, and the table of all; inactive before ``open``."""

    def __init__(self, folder: Path, number: int, clock: Clock) -> None:
        self._folder, self._number, self._clock = folder, number, clock
        self._table = folder / "suspects.json"
        self._file: int | None = None
        self._chunk: Sequence[bytes] = ()
        self._is_split = False
        self._looked_at = float("-inf")
        self._seen: object = None
        self.suspects: dict[str, int] = {}
        """Fingerprint of a chunk -> processes that it has ended."""

    def open(self) -> None:
        """Count the chunk that the last process of this number was working on when it ended."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"worker-{self._number}"
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            events, size, is_split = _HEAD.unpack(
                os.pread(self._file, _HEAD.size, 0).ljust(_HEAD.size, b"\0")
            )
            if events:
                self._blame(os.pread(self._file, size, _HEAD.size), events, is_split=is_split)
                os.pwrite(self._file, _NOTHING, 0)
        except OSError as error:
            self._disable(error)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def working_on(self, chunk: Sequence[bytes], *, is_split: bool = False) -> Self:
        """Keep ``chunk`` on disk while it is worked on, which is in a ``with`` of what this
        returns; an exception counts like a crash."""
        if self._file is not None:
            self._chunk, self._is_split = chunk, is_split
            first = chunk[0][:LARGE_BYTES]  # larger ones are not worked on in this process
            self._write(_HEAD.pack(len(chunk), len(first), is_split), first)
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        chunk, self._chunk = self._chunk, ()
        if not chunk:
            return
        if isinstance(error, Exception):  # any: the window is resent and raises it again
            self._blame(chunk[0][:LARGE_BYTES], len(chunk), is_split=self._is_split)
        self._write(_NOTHING)
        if error is None and self.suspects:
            self.forget(chunk)

    def is_suspect(self, chunk: Sequence[bytes]) -> bool:
        """Whether it has ended ``TOLERATED`` processes; call it before each chunk."""
        self._look()
        return bool(self.suspects) and self._ends(chunk) >= TOLERATED

    def forget(self, chunk: Sequence[bytes]) -> None:
        """Remove a chunk that came through."""
        name = fingerprint(chunk[0][:LARGE_BYTES], len(chunk))
        if name in self.suspects:
            self._change(lambda table: table.pop(name, None))

    def _ends(self, chunk: Sequence[bytes]) -> int:
        return self.suspects.get(fingerprint(chunk[0][:LARGE_BYTES], len(chunk)), 0)

    def _blame(self, first: bytes, events: int, *, is_split: bool) -> None:
        name = fingerprint(first, events)

        def count(table: dict[str, int]) -> None:
            # An event split off was in a chunk that has ended TOLERATED processes already.
            ends = table.pop(name, 0) + (TOLERATED if is_split else 1)
            table[name] = ends
            for oldest in list(table)[:-REMEMBERED]:
                del table[oldest]

        self._change(count)
        log.warning(
            "a process ended while it worked on %d events (%d of %d times that are tolerated); "
            "after that the event that causes it becomes a dead letter",
            *(events, self.suspects.get(name, 0), TOLERATED),
        )

    def _change(self, change: Callable[[dict[str, int]], object]) -> None:
        """Change the table that all workers share."""
        try:
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.suspects = self._read()
                change(self.suspects)
                fresh = self._table.with_suffix(".new")
                fresh.write_text(json.dumps(self.suspects), encoding="ascii")
                fresh.replace(self._table)
        except OSError as error:
            self._disable(error)

    def _look(self) -> None:
        now = self._clock.monotonic()
        if self._file is None or now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            found = self._table.stat()
        except FileNotFoundError:
            self.suspects = {}
            return
        except OSError as error:
            self._disable(error)
            return
        seen = (found.st_ino, found.st_mtime_ns)
        if seen != self._seen:
            self._seen, self.suspects = seen, self._read()

    def _read(self) -> dict[str, int]:
        try:
            table = json.loads(self._table.read_text(encoding="ascii"))
        except (OSError, ValueError):  # none yet, or incomplete after a crash of the machine
            return {}
        return {str(name): int(ends) for name, ends in table.items()}

    def _write(self, *parts: bytes) -> None:
        if self._file is None:
            return
        try:
            os.pwritev(self._file, parts, 0)
        except OSError as error:
            self._disable(error)

    def _disable(self, error: OSError) -> None:
        """Go on without the record: a full disk must not stop the pipeline."""
        self.close()
        log.warning("%s: events that end a process are not recognised: %s", self._folder, error)

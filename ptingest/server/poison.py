"""Recognises the window that ends its worker each time it comes ("poison message").

    begin(chunk) --its first event, on disk--> pipeline --> end()
         worker dies here: the next one finds the chunk at its start, and counts it

A Beat sends again what was not acked, so an event that makes a process crash, hang until a
watchdog ends it, or grow until the kernel does, ends one process after the other. A chunk
that has ended ``TOLERATED`` of them goes through the pipeline event by event; the event that
ends one then, or that was alone from the beginning, is a dead letter from then on. What
goes through without harm is forgotten.

What is recorded lies in ``data_dir``/poison: a file a worker with the first event of the
chunk in hand, and one table for all workers. Filebeat writes the members of an event in
another order each time, so events are compared by what they hold, in any order.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from ptingest.model.contracts import Clock
from ptingest.model.document import LARGE_BYTES

log = logging.getLogger(__name__)

TOLERATED = 3
"""Processes that one chunk may end; others may have been the reason, or the machine."""
REMEMBERED = 16
"""Chunks and events that ended a process and have not come through since."""
LOOK_SECONDS = 1.0
"""So often the table is looked at for what other workers noted."""

_HEAD = struct.Struct(">II?")
"""Events of the chunk in hand, 0 for none; bytes of the first; whether it was split off."""
_NOTHING = _HEAD.pack(0, 0, False)
_SEPARATORS = bytes.maketrans(b"{}[]: \t\r\n", b"," * 9)


def fingerprint(first: bytes, events: int) -> str:
    """Name a chunk by its length and the parts of its first event, whatever their order."""
    parts = sorted(first.translate(_SEPARATORS).split(b","))
    return f"{blake2b(b','.join(parts), digest_size=16).hexdigest()}-{events}"


class PoisonRecord:
    """What one worker has in hand, and what all of them know; nothing before ``open``."""

    def __init__(self, folder: Path, number: int, clock: Clock) -> None:
        self._folder, self._number, self._clock = folder, number, clock
        self._table = folder / "suspects.json"
        self._file: int | None = None
        self._looked_at = float("-inf")
        self._seen: object = None
        self.suspects: dict[str, int] = {}
        """Processes ended, by chunk."""

    def open(self) -> None:
        """Count what the last process of this number had in hand when it ended."""
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
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    @contextmanager
    def working_on(self, chunk: Sequence[bytes], *, is_split: bool = False) -> Iterator[None]:
        """Have ``chunk`` on disk while it is worked on; an exception counts as an end, too."""
        if self._file is None:
            yield
            return
        first = chunk[0][:LARGE_BYTES]  # larger ones are not worked on in this process
        self._write(_HEAD.pack(len(chunk), len(first), is_split), first)
        try:
            yield
        except Exception:  # whatever it is, the same window brings it again
            self._blame(first, len(chunk), is_split=is_split)
            raise
        finally:
            self._write(_NOTHING)
        if self.suspects:
            self.forget(chunk)

    def is_suspect(self, chunk: Sequence[bytes]) -> bool:
        """Whether it has ended more processes than are tolerated; ask before each chunk."""
        self._look()
        return bool(self.suspects) and self._ends(chunk) >= TOLERATED

    def forget(self, chunk: Sequence[bytes]) -> None:
        """It came through."""
        name = fingerprint(chunk[0][:LARGE_BYTES], len(chunk))
        if name in self.suspects:
            self._change(lambda table: table.pop(name, None))

    def _ends(self, chunk: Sequence[bytes]) -> int:
        return self.suspects.get(fingerprint(chunk[0][:LARGE_BYTES], len(chunk)), 0)

    def _blame(self, first: bytes, events: int, *, is_split: bool) -> None:
        name = fingerprint(first, events)

        def count(table: dict[str, int]) -> None:
            # One that was split off has been among those that ended as many before.
            ends = table.pop(name, 0) + (TOLERATED if is_split else 1)
            table[name] = ends
            for oldest in list(table)[:-REMEMBERED]:
                del table[oldest]

        self._change(count)
        log.warning(
            "a process ended while it worked on %d events (%d of %d times that are tolerated); "
            "what ends one after that becomes a dead letter",
            *(events, self.suspects.get(name, 0), TOLERATED),
        )

    def _change(self, change: Callable[[dict[str, int]], object]) -> None:
        """Change the table, which other workers change, too."""
        try:
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.suspects = self._read()
                change(self.suspects)
                fresh = self._table.with_suffix(".new")
                fresh.write_text(json.dumps(self.suspects), encoding="ascii")
                fresh.replace(self._table)
        except OSError as error:
            self._give_up(error)

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
            self._give_up(error)
            return
        seen = (found.st_ino, found.st_mtime_ns)
        if seen != self._seen:
            self._seen, self.suspects = seen, self._read()

    def _read(self) -> dict[str, int]:
        try:
            table = json.loads(self._table.read_text(encoding="ascii"))
        except (OSError, ValueError):  # none yet, or a crash of the machine left half of it
            return {}
        return {str(name): int(ends) for name, ends in table.items()}

    def _write(self, *parts: bytes) -> None:
        if self._file is None:
            return
        try:
            os.pwritev(self._file, parts, 0)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Go on without: a full disk must not stop what needs none."""
        self.close()
        log.warning("%s: events that end a process are not recognised: %s", self._folder, error)

"""Tombstones: which letters of a segment were requeued or purged.

    <segment>.done    ids, one a line; appended and fsynced when the letter is safe elsewhere
    <segment>.new     a segment being rewritten without its done letters; then renamed over it

A mark that was torn matches no letter: that letter is put through again, under its key. A crash
between two steps leaves a letter twice at worst (once here and once where it was put), never
lost. Only the holder of ``data_dir``'s lock writes marks; a reader reads the marks first and the
segment afterwards.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ptingest.model.disk import sync_folder, write_all

DONE_SUFFIX = ".done"
NEW_SUFFIX = ".new"

IdOf = Callable[[bytes], str | None]
"""The id in one line of a segment; None where the line is not a letter."""


def done_path(segment: Path) -> Path:
    """Return the path of a segment's marks."""
    return segment.with_name(segment.name + DONE_SUFFIX)


def marks_of(segment: Path) -> frozenset[str]:
    """Return the ids that are marked done; none where there are no marks."""
    try:
        data = done_path(segment).read_bytes()
    except FileNotFoundError:
        return frozenset()
    # What follows the last newline is incomplete.
    return frozenset(line.decode("ascii", "replace") for line in data.split(b"\n")[:-1])


def add_marks(segment: Path, ids: Iterable[str]) -> None:
    """Mark letters done; returns when the marks are on disk. OSError: some may be missing."""
    path = done_path(segment)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        lines = "".join(f"{one}\n" for one in ids).encode("ascii")
        write_all(descriptor, b"\n" + lines if is_torn else lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if size == 0:
        sync_folder(segment.parent)


def sweep(segment: Path, id_of: IdOf) -> bool:
    """Rewrite a segment without its done letters, or delete it where no other is left.

    Lines that are not letters stay. Returns False where another writer still appends.
    """
    marks = marks_of(segment)
    with segment.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if any(id_of(line) not in marks for line in file):
            file.seek(0)
            _rewrite(segment, (line for line in file if id_of(line) not in marks))
        else:
            segment.unlink()
        sync_folder(segment.parent)
    # Last, so that a crash before it leaves marks without letters, not letters without marks.
    done_path(segment).unlink(missing_ok=True)
    return True


def _rewrite(segment: Path, lines: Iterable[bytes]) -> None:
    fresh = segment.with_name(segment.name + NEW_SUFFIX)
    status = segment.stat()
    try:
        with fresh.open("wb") as out:
            out.writelines(lines)
            out.flush()
            os.fchmod(out.fileno(), status.st_mode & 0o777)
            # Age counts from the youngest letter, not from the sweeping.
            os.utime(out.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(out.fileno())
        fresh.replace(segment)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise

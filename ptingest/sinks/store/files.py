"""The store's files in the folder, compared with those that a connection has open.

SQLite continues to write into a log that was deleted and a file that was cut, and we would ack
documents that are lost. So each batch checks the files first; this costs some microseconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

BESIDE = ("-wal", "-shm")
"""SQLite's log and its index; both exist as long as any connection is open."""
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"


class Inodes(NamedTuple):
    """The identities of the files under the store's names; 0 for a missing one."""

    store: int = 0
    log: int = 0
    log_index: int = 0


class StoreFiles:
    """The files of one connection: recorded when it is opened, checked before it is used.

    The file's header is read through a descriptor that stays open: closing one releases every
    lock that this process has on the file, SQLite's own among them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted = Inodes()
        self._descriptor = -1
        self._size = 0
        """Size of the file at the last check at which it was whole."""

    def note(self) -> None:
        """Record the files that a connection was just opened on."""
        found = self._look()
        if found.store != self._noted.store:
            self.close()
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._size = os.fstat(self._descriptor).st_size
        self._noted = found

    @property
    def are_same(self) -> bool:
        """No file was removed or replaced."""
        return self._look() == self._noted

    @property
    def is_store_same(self) -> bool:
        """The database file itself was not removed or replaced."""
        return self._look().store == self._noted.store

    @property
    def is_cut(self) -> bool:
        """The file is shorter than it was and than its own header says, or has no header.

        The header alone does not prove it: a checkpoint that finds the disk full has written
        it, and the missing part of the file is in the log. Nor does the length: a vacuum ends
        with both shorter.
        """
        # A checkpoint beside may have cut the file after its header was read here.
        return self._looks_cut() and self._looks_cut()

    def _looks_cut(self) -> bool:
        header = os.pread(self._descriptor, HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            return True
        page = int.from_bytes(header[16:18], "big")
        pages = int.from_bytes(header[28:32], "big")
        size = os.fstat(self._descriptor).st_size
        if size < pages * (65_536 if page == 1 else page) and (
            size < self._size or not self._log_bytes()
        ):
            return True
        self._size = size
        return False

    def _log_bytes(self) -> int:
        try:
            return self._path.with_name(self._path.name + BESIDE[0]).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def are_sound(self) -> bool:
        """The files are those that were opened, and the database file is whole."""
        return self.are_same and not self.is_cut

    def close(self) -> None:
        """Close the file; call it after SQLite has closed its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._noted, self._size = -1, Inodes(), 0

    def _look(self) -> Inodes:
        return Inodes(
            *(_inode(self._path.with_name(self._path.name + suffix)) for suffix in ("", *BESIDE))
        )


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0

"""The store's files as they lie in the folder, beside what a connection believes of them.

SQLite goes on writing into a log that was deleted and a file that was cut, and we would go on
acking what nobody will find. So each batch looks first; it costs some microseconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

BESIDE = ("-wal", "-shm")
"""SQLite's log and its index; both stay as long as any connection is open."""
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"


class Inodes(NamedTuple):
    """What lies under the store's names; 0 where nothing does."""

    store: int = 0
    log: int = 0
    log_index: int = 0


class StoreFiles:
    """The files of one connection: noted when it is opened, looked at before it is used.

    The file's header is read through a descriptor that stays open: closing one ends every
    lock that this process has on the file, SQLite's own among them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted = Inodes()
        self._descriptor = -1

    def note(self) -> None:
        """Remember the files that a connection was just opened on."""
        found = self._look()
        if found.store != self._noted.store:
            self.close()
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._noted = found

    @property
    def are_same(self) -> bool:
        """Nothing was removed or replaced."""
        return self._look() == self._noted

    @property
    def is_store_same(self) -> bool:
        """The file itself was not removed or replaced."""
        return self._look().store == self._noted.store

    @property
    def is_cut(self) -> bool:
        """The file is shorter than its own header says, or has none.

        While another process copies its log into a file that grows, it may look so for a
        moment.
        """
        header = os.pread(self._descriptor, HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            return True
        page = int.from_bytes(header[16:18], "big")
        pages = int.from_bytes(header[28:32], "big")
        return os.fstat(self._descriptor).st_size < pages * (65_536 if page == 1 else page)

    @property
    def are_sound(self) -> bool:
        """They are those that were opened, and whole."""
        return self.are_same and not self.is_cut

    def close(self) -> None:
        """Let go of the file; after SQLite has."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._noted = -1, Inodes()

    def _look(self) -> Inodes:
        return Inodes(
            *(_inode(self._path.with_name(self._path.name + suffix)) for suffix in ("", *BESIDE))
        )


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0

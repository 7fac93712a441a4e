"""One server a data directory: an advisory lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ptingest.errors import DataDirLocked, DataDirUnusable


class DataDirLock:
    """Holds ``data_dir``/lock; the kernel releases it even after ``kill -9``."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock, making the directory.

        Raises:
            DataDirLocked: another server has it.
            DataDirUnusable: the directory or the lock in it cannot be made or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise DataDirLocked(path=str(self._path.parent)) from error
        try:
            os.truncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except OSError as error:
            os.close(handle)
            raise self._unusable(error) from error
        self._handle = handle

    def _unusable(self, error: OSError) -> DataDirUnusable:
        return DataDirUnusable(path=str(self._path.parent), cause=error.strerror or str(error))

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

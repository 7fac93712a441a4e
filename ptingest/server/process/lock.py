"""One server per data directory: two locks, both released when their process ends.

A lock file in the directory excludes every process that sees the same directory, including
those in other containers. An abstract socket, named by the path of the directory, excludes
others when the directory was deleted under a running server and created again. Its name
includes the mount namespace, since the same path in another container is another directory.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import sys
from hashlib import sha256
from pathlib import Path

from ptingest.errors import DataDirLocked, DataDirUnusable

log = logging.getLogger(__name__)

OWNER_ALONE = 0o077
"""The umask for files in a data directory."""
_CREDENTIALS = struct.Struct("iII")


class DataDirLock:
    """Holds ``data_dir``; the kernel releases it even after ``kill -9``."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._handle: int | None = None
        self._claim: socket.socket | None = None

    def acquire(self) -> None:
        """Take the lock; creates the directory.

        Raises:
            DataDirLocked: another server has it.
            DataDirUnusable: the directory or its lock file cannot be created or written.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._claim = claim(self._path.parent)
        except OSError as error:
            os.close(handle)
            raise DataDirLocked(path=str(self._path.parent)) from error
        try:
            os.truncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except OSError as error:
            os.close(handle)
            self._release_claim()
            raise self._unusable(error) from error
        self._handle = handle

    def _unusable(self, error: OSError) -> DataDirUnusable:
        return DataDirUnusable(path=str(self._path.parent), cause=error.strerror or str(error))

    def _release_claim(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._release_claim()


def claim(directory: Path) -> socket.socket | None:
    """Bind the abstract socket of this directory; OSError where another server has it.

    None where the system has no abstract sockets, or another user holds the name: any user of
    the host may bind it, which must not prevent a start.
    """
    if sys.platform != "linux":
        return None
    name = _name_of(directory)
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.bind(name)
        ours.listen(1)
    except OSError:
        ours.close()
        holder = _user_behind(name)
        if holder in (os.geteuid(), 0, None):
            raise
        log.warning(
            "user %d holds the socket name that guards %s; going on without it", holder, directory
        )
        return None
    return ours


def _name_of(directory: Path) -> bytes:
    try:
        namespace = str(Path("/proc/self/ns/mnt").readlink())
    except OSError:  # no /proc: the path alone
        namespace = ""
    place = f"{namespace}:{os.path.realpath(directory)}"
    return b"\0ptingest-" + sha256(os.fsencode(place)).hexdigest().encode()


def _user_behind(name: bytes) -> int | None:
    """User id of the socket's owner; None when unknown (its queue is full, or it has closed)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
            raw = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    return int(_CREDENTIALS.unpack(raw)[1])

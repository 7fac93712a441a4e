"""One server a data directory: two locks, and both die with their process.

The file in the directory keeps out whoever sees the same directory, from other containers,
too. A socket without a file, named by the directory's path, keeps them out when the directory
was deleted under a running server and made again. The name is for this mount namespace: what
has the same path in another container is another directory.
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
"""The umask of whoever writes in a data directory."""
_CREDENTIALS = struct.Struct("iII")


class DataDirLock:
    """Holds ``data_dir``; the kernel releases it even after ``kill -9``."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._handle: int | None = None
        self._claim: socket.socket | None = None

    def acquire(self) -> None:
        """Take the lock, making the directory.

        Raises:
            DataDirLocked: another server has it.
            DataDirUnusable: the directory or the lock in it cannot be made or written.
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
            self._let_claim_go()
            raise self._unusable(error) from error
        self._handle = handle

    def _unusable(self, error: OSError) -> DataDirUnusable:
        return DataDirUnusable(path=str(self._path.parent), cause=error.strerror or str(error))

    def _let_claim_go(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._let_claim_go()


def claim(directory: Path) -> socket.socket | None:
    """Take the name of this directory's path; OSError where a server of ours has it.

    None where names without a file do not exist, or somebody else holds this one: any user of
    the host may take a name, and shall not keep us from starting.
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
        log.warning("user %d holds the name that guards %s; going on without", holder, directory)
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
    """Whose socket it is; None when it cannot be told (its queue is full, or it just left)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
            raw = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    return int(_CREDENTIALS.unpack(raw)[1])

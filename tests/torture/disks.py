"""Disks that are full, and get room again.

As root a file system of its own in memory, so that the server sees ENOSPC; else the largest
size of any file the server may write, so that it sees EFBIG.
"""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from typing import Self


class SmallDisk:
    """``folder`` holds ``size_bytes`` and no more until ``grow``."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder, self.size_bytes = folder, size_bytes
        self._is_mounted = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            options = f"size={self.size_bytes}"
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
            self._is_mounted = subprocess.run(command, check=False).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def limit(self, pid: int) -> None:
        """Call it once the server runs: where nothing could be mounted, its files are limited."""
        if not self._is_mounted:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (self.size_bytes, hard))

    def grow(self, pid: int) -> None:
        """There is room for everything from now on."""
        if self._is_mounted:
            command = ["mount", "-o", "remount,size=4g", str(self.folder)]
            subprocess.run(command, check=True)
        else:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

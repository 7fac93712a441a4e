"""What a peer needs on this machine, and what happens where it is missing."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def require_tool(name: str) -> str:
    """Return the path of a program, or skip the test by the program's name.

    With ``PTINGEST_PEERS=require`` (as the CI run sets it) a missing tool is an error.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    if os.environ.get("PTINGEST_PEERS") == "require":
        pytest.fail(f"{name} is missing and PTINGEST_PEERS=require asks for every peer")
    pytest.skip(f"{name} is missing; install it, or leave this peer out")


def optional_tool(name: str) -> str:
    """Return the path of a program of the system's own, or skip the test by its name.

    Also with ``PTINGEST_PEERS=require``: what the system brings (systemd, apt, curl) is not
    ours to ask for, as compilers and package managers are.
    """
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing; install it, or leave this check out")
    return found


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Hold a folder while something is built in it, and while one looks whether it is.

    Of several processes that run tests one builds; the others wait, and find it built.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # the lock goes with it

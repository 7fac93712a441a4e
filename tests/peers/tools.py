"""What a peer needs on this machine, and what happens where it is missing."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def require_tool(name: str) -> str:
    """Return the path of a program, or skip the test by the program's name.

    With ``PTINGEST_PEERS=require`` (as the CI run sets it) a missing tool is an error.
    """
    found = shutil.which(name)
    if found is None:
        _missing(name)
    return found


def require_java(oldest: int) -> Path:
    """Return the home of a JDK of this feature version or a newer one, as ``require_tool``.

    The first of ``JAVA_HOME``, the ``java`` on the path, and those under /usr/lib/jvm.
    """
    on_path = shutil.which("java")
    homes = [
        *([Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []),
        *([Path(on_path).resolve().parents[1]] if on_path else []),
        *sorted(Path("/usr/lib/jvm").glob("*")),
    ]
    fitting = (h for h in homes if (h / "bin/javac").exists() and _java_version(h) >= oldest)
    home = next(fitting, None)
    if home is None:
        _missing(f"a JDK of version {oldest} or newer")
    return home


def _java_version(home: Path) -> int:
    """The feature version that the file `release` of a JDK names; 0 where there is none."""
    release = home / "release"
    text = release.read_text(encoding="utf-8") if release.exists() else ""
    found = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(found[1]) if found else 0


def _missing(name: str) -> NoReturn:
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


def go_program(folder: Path, name: str) -> Path:
    """Return a Go program of a folder, built when it is missing or older than its sources.

    Raises:
        FileNotFoundError: there is no `go` on the path; tests ask ``require_tool`` before.
        CalledProcessError: it does not compile; the compiler's words are on standard error.
    """
    binary = folder / name
    sources = [*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"]
    newest = max(source.stat().st_mtime for source in sources)
    with building(folder):
        if not binary.exists() or binary.stat().st_mtime < newest:
            subprocess.run(["go", "build", "-o", name, "."], cwd=folder, check=True)
    return binary

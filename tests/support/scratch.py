"""A folder of one process's own for what must lie in files; gone when the process ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def folder() -> Path:
    """Return the folder, made at the first call."""
    path = Path(tempfile.mkdtemp(prefix="ptingest-fuzz-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def empty(name: str) -> Path:
    """Return the folder ``name`` in it with nothing inside."""
    path = folder() / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path

"""Runs the command line in a process of its own, as a shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: bytes
    err: str


def run(
    *arguments: str | Path, folder: Path, given: bytes = b"", environ: dict[str, str] | None = None
) -> Ran:
    """Run ``ptingest`` with these arguments in ``folder`` and return what it said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "ptingest.cli.main", *map(str, arguments)],
        input=given,
        capture_output=True,
        cwd=folder,
        env={**environment, **(environ or {})},
        check=False,
        timeout=30,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())

"""Docker Compose's own loader, as a program: what `docker compose config` would say.

The Go program is in `compose/`; it is built once and again when a source is newer.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.tools import building, require_tool

FOLDER = Path(__file__).parent / "compose"
BINARY = FOLDER / "compose-peer"


class ComposeRefused(Exception):
    """The loader's words."""


def build() -> Path:
    """Return the binary, built when it is missing or older than its sources."""
    go = require_tool("go")
    sources = [FOLDER / name for name in ("main.go", "go.mod", "go.sum")]
    newest = max(source.stat().st_mtime for source in sources)
    with building(FOLDER):
        if not BINARY.exists() or BINARY.stat().st_mtime < newest:
            subprocess.run([go, "build", "-o", BINARY.name, "."], cwd=FOLDER, check=True)
    return BINARY


def load(file: Path, *profiles: str, environ: Mapping[str, str]) -> Any:
    """Return the project; raises `ComposeRefused` with what the loader has against it."""
    known = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [build(), file, *profiles],
        env={**known, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ComposeRefused(done.stderr.strip())
    return json.loads(done.stdout)

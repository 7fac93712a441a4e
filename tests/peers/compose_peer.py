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

from tests.peers.tools import go_program, require_tool

FOLDER = Path(__file__).parent / "compose"


class ComposeRefused(Exception):
    """The loader's words."""


def build() -> Path:
    """Return the binary, built when it is missing or older than its sources."""
    require_tool("go")
    return go_program(FOLDER, "compose-peer")


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

"""A reload of a running worker, as SIGHUP would ask for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ptingest.server.process.clock import SystemClock
from ptingest.server.reload import PreparedConfig, Reloader, put_in_force
from tests.support.modules import ROOT
from tests.support.serving import Server


def reloader_of(server: Server, config: Path) -> Reloader:
    parts = server.worker.parts

    async def swap(fresh: PreparedConfig) -> list[str]:
        return put_in_force(parts, fresh)

    return Reloader(parts.metrics, config=config, environ={}, clock=SystemClock(), swap=swap)


def write_config(tmp_path: Path, server: Server, extra: str = "") -> Path:
    """A config that differs from the running one only where ``extra`` says so."""
    old = server.worker.parts.settings
    path = tmp_path / "c.yaml"
    path.write_text(
        f"data_dir: {old.data_dir}\nprofile: pt.yaml\napi: {{listen: '127.0.0.1:0'}}\n{extra}"
    )
    profile = tmp_path / "pt.yaml"
    if not profile.exists():
        shutil.copy(ROOT / "config" / "pt.yaml", profile)
    return path

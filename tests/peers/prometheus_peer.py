"""Prometheus and promtool: those on the path, else Debian's, unpacked and not installed.

Unpacking into `.peers/prometheus` (ignored by git) needs no privilege, and starts no service.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers.tools import building, optional_tool

FOLDER = Path(__file__).parents[2] / ".peers" / "prometheus"


class Programs(NamedTuple):
    """Where they lie."""

    prometheus: str
    promtool: str


def programs() -> Programs:
    """Return both, fetched when missing; skips the test where they cannot be had."""
    found = [shutil.which(name) for name in ("prometheus", "promtool")]
    if found[0] and found[1]:
        return Programs(found[0], found[1])
    here = FOLDER / "usr" / "bin"
    with building(FOLDER):
        if not (here / "promtool").exists():
            _unpack()
    return Programs(str(here / "prometheus"), str(here / "promtool"))


def _unpack() -> None:
    apt_get, dpkg_deb = optional_tool("apt-get"), optional_tool("dpkg-deb")
    try:
        if os.geteuid() == 0:
            # A fresh container has no lists yet.
            subprocess.run([apt_get, "-qq", "update"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([apt_get, "-qq", "download", "prometheus"], cwd=FOLDER, check=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"prometheus is missing and {error}; install it, or leave this peer out")
    (package,) = FOLDER.glob("prometheus_*.deb")
    subprocess.run([dpkg_deb, "-x", str(package), str(FOLDER)], check=True)
    package.unlink()

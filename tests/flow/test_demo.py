"""The commands a newcomer runs, end to end: serve, send, search."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(120)  # a server, six senders and eight searches, each a process
def test_the_demo_finds_in_the_store_exactly_what_it_wrote() -> None:
    root = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.demo"], cwd=root, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "All counts agree with what was written." in done.stdout
    assert done.stderr == ""

"""Weighing processes that end while they are weighed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.processes import cpu_seconds, exact_cpu_seconds, family, memory


@pytest.fixture
def ended() -> int:
    """The number of a process that was there a moment ago."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_that_ended_weighs_nothing(ended: int) -> None:
    assert family(ended) == [ended]
    assert cpu_seconds(ended) == exact_cpu_seconds(ended) == 0
    assert memory(ended) == (0, 0)


def test_a_child_that_ends_between_two_reads_is_left_out(
    ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processes that earlier tests started may be children of this one, and end at any time.
    monkeypatch.setattr(processes, "family", lambda pid: [pid])
    alone = memory(os.getpid())
    monkeypatch.setattr(processes, "family", lambda pid: [pid, ended])
    assert memory(os.getpid()).peak >= alone.peak
    assert cpu_seconds(os.getpid()) > 0


def test_a_thread_that_ends_between_two_reads_is_left_out(
    ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = [*Path(f"/proc/{os.getpid()}/task").iterdir(), Path(str(ended))]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(threads))
    assert family(os.getpid())[0] == os.getpid()


def test_a_family_is_a_process_and_its_descendants() -> None:
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], stdin=0)"
    parent = subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE)
    try:
        while len(found := family(parent.pid)) < 2:
            assert parent.poll() is None
        assert found[0] == parent.pid
    finally:
        parent.communicate()

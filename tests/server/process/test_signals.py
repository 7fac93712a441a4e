from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from ptingest.server.process.signals import LEFT_AT_ONCE, StopSignals
from tests.support.waiting import PATIENCE_SECONDS

TWICE = """
import asyncio, os, signal, sys
import pytest

from ptingest.server.process.signals import StopSignals

async def main():
    signals = StopSignals()
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    await signals.stop.wait()
    signals.before_leaving = lambda: print("others ended", flush=True)
    print("draining", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(3)  # no race: a signal that came is served before any timer
    print("still here", flush=True)

asyncio.run(main())
"""


async def test_the_first_signal_asks_for_a_drain() -> None:
    signals = StopSignals()
    signals.install()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await signals.stop.wait()
    finally:
        signals.uninstall()

    assert signals.name == "SIGTERM"


@pytest.mark.timeout(60)  # a process
def test_the_second_signal_leaves_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TWICE],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

    assert ended.returncode == LEFT_AT_ONCE
    assert ended.stdout == "draining\nothers ended\n"
    assert "second SIGTERM" in ended.stderr

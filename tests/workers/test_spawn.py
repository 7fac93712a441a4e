from __future__ import annotations

import asyncio
import signal

import pytest

from ptingest.server.process.signals import ending
from ptingest.workers.spawn import launch
from tests.support.waiting import PATIENCE_SECONDS


@pytest.mark.timeout(30)  # an interpreter starts
async def test_a_worker_inherits_two_sockets_and_leaves_with_its_supervisor() -> None:
    launched = await launch(drain_seconds=1.0)
    assert launched.process.returncode is None

    launched.control.close()  # what our death looks like from there
    launched.sockets.close()

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await launched.process.wait() == 0


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-signal.SIGKILL, "was killed by SIGKILL"),
        (-63, "was killed by signal 63"),
        (None, "has not ended"),
    ],
)
def test_how_a_process_ended_is_said_in_words(code: int | None, text: str) -> None:
    assert ending(code) == text

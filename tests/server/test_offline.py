"""Parts of a server without its ports: lanes work, and everything is closed at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ptingest.errors import StoreMissing
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.server.assembly import read_profile
from ptingest.server.offline import run_offline, running_offline
from ptingest.server.process.clock import SystemClock
from tests.support.raw_peer import event
from tests.support.settings import server_settings
from tests.support.waiting import PATIENCE_SECONDS


async def test_what_is_admitted_is_stored_without_a_port(tmp_path: Path) -> None:
    gone = {"certificate": str(tmp_path / "gone.pem"), "key": str(tmp_path / "gone.key")}
    settings = server_settings(tmp_path, beats={"tls": gone}, api={"tls": gone})
    closed = asyncio.Event()
    receipt = Receipt(lambda _: closed.set())

    async with running_offline(settings, read_profile(settings, {}), clock=SystemClock()) as parts:
        await parts.flow.admit([event()], receipt, Origin("-"))
        receipt.seal()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await closed.wait()

    assert receipt.failed is None


async def test_nothing_is_left_running_when_the_block_fails(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    before = asyncio.all_tasks()

    with pytest.raises(BaseExceptionGroup) as raised:
        async with running_offline(settings, read_profile(settings, {}), clock=SystemClock()):
            raise RuntimeError("the job failed")

    assert raised.group_contains(RuntimeError, match="the job failed")
    assert asyncio.all_tasks() == before


async def test_kafka_is_not_spoken_to(tmp_path: Path) -> None:
    kafka = {"brokers": "127.0.0.1:1", "topics": ["parcels"]}
    buffer = {"kafka": {"brokers": "127.0.0.1:1"}}
    settings = server_settings(tmp_path, kafka=kafka, buffer=buffer)

    async with running_offline(settings, read_profile(settings, {}), clock=SystemClock()) as parts:
        assert (parts.buffer, parts.kafka) == (None, [])


@pytest.mark.parametrize("error", [StoreMissing(path=Path("x")), RuntimeError("a bug")])
def test_an_error_of_ours_comes_out_of_the_group_of_tasks_and_a_bug_does_not(
    error: Exception,
) -> None:
    async def job() -> None:
        async with asyncio.TaskGroup():
            raise error

    with pytest.raises(BaseException) as raised:
        run_offline(job())

    is_ours = isinstance(error, StoreMissing)
    assert (raised.value is error) is is_ours
    assert isinstance(raised.value, BaseExceptionGroup) is not is_ours

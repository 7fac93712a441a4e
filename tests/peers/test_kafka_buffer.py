"""The buffer in a real Kafka: a killed broker, small limits, missing topics, no rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from ptingest.dead_letters.queue import read_letters
from tests.peers.kafka_peer import Kafka
from tests.support.buffering import TOPIC, RunningBuffer, events, read_events
from tests.support.waiting import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]
Start = Callable[..., RunningBuffer]
SECONDS = 120.0


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    made: list[RunningBuffer] = []

    def begin(bootstrap: str, **given: int) -> RunningBuffer:
        made.append(RunningBuffer(bootstrap, tmp_path / f"letters-{len(made)}", **given))
        return made[-1]

    yield begin
    for one in made:
        await one.stop()
        assert one.balances()
        assert one.budget.outstanding == 0


async def test_a_killed_broker_makes_windows_wait_and_nothing_is_lost(
    killable_kafka: Kafka, start: Start
) -> None:
    kafka = killable_kafka
    kafka.create_topic(TOPIC, partitions=4)
    running, payloads = start(kafka.bootstrap), events(4000, 500)
    windows = [payloads[at : at + 100] for at in range(0, 4000, 100)]
    receipts = [await running.window(*one) for one in windows[:10]]

    kafka.kill()
    receipts += [await running.window(*one) for one in windows[10:]]
    await until(running.buffer.troubles, seconds=SECONDS)
    acked = [one for one in receipts if one.closed]
    await asyncio.to_thread(kafka.start)
    await until(lambda: all(one.closed for one in receipts), seconds=SECONDS)

    assert len(acked) <= 10
    assert not any(one.failed for one in receipts)
    assert sorted(await read_events(kafka.bootstrap, 4000)) == sorted(payloads)
    await until(lambda: not running.buffer.troubles())
    kafka.delete_topic(TOPIC)


async def test_the_limit_of_the_topic_is_learned(kafka: Kafka, start: Start) -> None:
    kafka.create_topic(TOPIC, partitions=2, max_message_bytes=20_000)
    running, payloads = start(kafka.bootstrap), events(200, 1000)

    receipt = await running.window(*payloads)
    await until(lambda: receipt.closed, seconds=SECONDS)

    assert running.buffer.limit_bytes == 20_000
    assert sorted(await read_events(kafka.bootstrap, 200)) == sorted(payloads)
    kafka.delete_topic(TOPIC)


async def test_an_event_above_the_topics_limit_becomes_a_dead_letter(
    kafka: Kafka, start: Start
) -> None:
    kafka.create_topic(TOPIC, max_message_bytes=20_000)
    running, giant, small = start(kafka.bootstrap), events(1, 50_000)[0], events(3)
    await running.letters.open()

    receipt = await running.window(small[0], giant, *small[1:])
    await until(lambda: receipt.closed, seconds=SECONDS)

    (letter,) = read_letters(running.folder)
    assert letter.letter.payload == giant
    assert sorted(await read_events(kafka.bootstrap, 3)) == sorted(small)
    kafka.delete_topic(TOPIC)


async def test_a_topic_that_is_missing_is_told_and_windows_wait_until_it_is_there(
    kafka: Kafka, start: Start
) -> None:
    running, payloads = start(kafka.bootstrap), events(50)

    receipt = await running.window(*payloads)
    await until(running.buffer.troubles, seconds=SECONDS)
    trouble = running.buffer.troubles()[0]
    kafka.create_topic(TOPIC)
    await until(lambda: receipt.closed, seconds=SECONDS)

    assert f"--create --topic {TOPIC}" in trouble
    assert receipt.failed is None
    assert sorted(await read_events(kafka.bootstrap, 50)) == sorted(payloads)
    kafka.delete_topic(TOPIC)

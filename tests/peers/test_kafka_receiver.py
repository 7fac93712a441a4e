"""A receiver: Beats into a real Kafka, as a process of its own."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes.beat import Beat
from tests.peers.kafka_peer import Kafka, start_kafka
from tests.support.buffering import events_of_topic
from tests.support.command import run
from tests.support.server_process import ServerProcess
from tests.support.waiting import until, until_told

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]
TOPIC = "received"


@pytest.fixture(scope="module")
def kafka_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    made = start_kafka(tmp_path_factory.mktemp("kafka"))
    yield made
    made.close()


@pytest.fixture
def broker(kafka_node: Kafka) -> Iterator[Kafka]:
    """With an empty topic; a test may kill it."""
    kafka_node.create_topic(TOPIC, partitions=4)
    yield kafka_node
    kafka_node.start()
    kafka_node.delete_topic(TOPIC)


@pytest_asyncio.fixture
async def receiver(broker: Kafka, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(
        tmp_path,
        {
            "role": "receive",
            "buffer": {"kafka": {"brokers": [broker.bootstrap], "topic": TOPIC}},
            "beats": {"limits": {"total_bytes": "8MiB"}},
            "drain_seconds": 5,
        },
    )
    await server.start()
    yield server
    server.discard()


def windows(count: int, events: int = 50) -> list[list[bytes]]:
    """Windows of numbered events."""
    return [
        [b'{"message":"%d"}' % (number * events + at) for at in range(events)]
        for number in range(count)
    ]


async def in_topic(broker: Kafka, at_least: int) -> set[bytes]:
    """What the topic holds; a window that was sent again may be there twice."""
    return set(await events_of_topic(broker.bootstrap, TOPIC, distinct=at_least))


async def keepalives(receiver: ServerProcess, at_least: int) -> bool:
    metrics = await receiver.metrics()
    return metrics["ptingest_beats_keepalives_total"] >= at_least


async def test_a_beat_is_acked_when_the_topic_has_its_windows(broker, receiver) -> None:
    beat, sent = Beat(receiver.port), windows(20)

    await beat.deliver(sent)

    assert len(beat.acked) == 20
    assert await in_topic(broker, 1000) == {one for window in sent for one in window}
    status = await receiver.status()
    assert status["buffer"]["events"]["appended"] == 1000
    assert status["buffer"]["events"]["outstanding"] == 0
    assert status["role"] == "receive"
    assert await receiver.stop() == 0
    assert "Traceback" not in receiver.log_text()


async def test_a_broker_that_is_away_is_waited_for_with_keepalives(broker, receiver) -> None:
    beat, sent = Beat(receiver.port, timeout_seconds=20), windows(40)
    broker.kill()

    delivering = asyncio.create_task(beat.deliver(sent))
    await until_told(lambda: keepalives(receiver, 3))
    reasons = await until_told(receiver.not_ready_because)
    acked = len(beat.acked)
    await asyncio.to_thread(broker.start)
    await delivering

    assert acked == 0
    assert "no broker answers" in reasons
    assert beat.errors == []
    assert await in_topic(broker, 2000) == {one for window in sent for one in window}
    await until_told(receiver.is_ready)


async def test_a_receiver_that_is_killed_has_acked_nothing_that_is_not_in_the_topic(
    broker, receiver
) -> None:
    beat, sent = Beat(receiver.port), windows(200)
    delivering = asyncio.create_task(beat.deliver(sent))

    for share in (20, 80, 140):
        await until(lambda share=share: len(beat.acked) >= share)
        receiver.kill()
        await receiver.start()
    await delivering

    assert await in_topic(broker, 10_000) == {one for window in sent for one in window}


async def test_a_receiver_drains_into_the_topic_when_it_is_asked_to_leave(broker, receiver) -> None:
    beat, sent = Beat(receiver.port), windows(400)
    delivering = asyncio.create_task(beat.deliver(sent))
    await until(lambda: len(beat.acked) >= 20)

    receiver.signal(signal.SIGTERM)
    code = await receiver.wait()
    acked = {one for window in beat.acked for one in window}
    await receiver.start()
    await delivering

    assert code == 0
    assert acked
    assert await in_topic(broker, 20_000) == {one for window in sent for one in window}


async def test_a_reload_goes_on_with_what_is_under_way(broker, receiver) -> None:
    beat, sent = Beat(receiver.port), windows(200)
    delivering = asyncio.create_task(beat.deliver(sent))
    await until(lambda: len(beat.acked) >= 20)

    receiver.signal(signal.SIGHUP)
    await delivering

    assert beat.errors == []
    assert len(await in_topic(broker, 10_000)) == 10_000


async def test_a_requeue_right_after_the_topic_was_told_to_take_more_leaves_no_letter(
    broker, receiver, tmp_path
) -> None:
    broker.configure_topic(TOPIC, max_message_bytes=20_000)
    giant = b'{"message":"%s"}' % random.Random(1).randbytes(50_000).hex().encode()
    await Beat(receiver.port).deliver([[giant]])
    command = ["dead-letters", "requeue", "--all", "--config", receiver.config_path]
    too_early = await asyncio.to_thread(run, *command, folder=tmp_path)

    broker.configure_topic(TOPIC, max_message_bytes=1 << 20)
    requeued = await asyncio.to_thread(run, *command, folder=tmp_path)

    assert too_early.out == b"1 requeued: 1 dead-lettered again\n"
    assert requeued.out == b"1 requeued: 1 appended to the buffer\n"
    assert await in_topic(broker, 1) == {giant}

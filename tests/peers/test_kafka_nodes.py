"""What several nodes of a real Kafka are for, and how its clients log in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.authority import Authority
from tests.peers.kafka_peer import PASSWORD, USER, Kafka, start_kafka
from tests.support.buffering import TOPIC, RunningBuffer, events, read_events
from tests.support.kafka import Downstream, Reading, committed, reading_steadily, send
from tests.support.waiting import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SECONDS = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    made = start_kafka(tmp_path_factory.mktemp("kafka"), nodes=3)
    yield made
    made.close()


@pytest.fixture
def three(cluster: Kafka) -> Iterator[Kafka]:
    """Three nodes, of which a test may kill some."""
    yield cluster
    cluster.start()


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


def committed_here(one: Reading) -> list[int]:
    """The offsets that were committed of the partitions that this member holds now."""
    rows: Any = one.source.status()["listed"]
    return [row["committed"] for row in rows]


async def test_a_killed_coordinator_costs_nothing(three: Kafka) -> None:
    three.create_topic("logs", partitions=2)
    down = Downstream()
    async with reading_steadily(three.bootstrap, down, "logs") as one:
        await asyncio.to_thread(send, three.bootstrap, "logs", *numbered(50))
        await one.until_read(down, 50)
        await one.until(lambda: one.value("ptingest_kafka_commits_total", "done"))

        await asyncio.to_thread(lambda: three.kill(three.coordinator_of("group")))
        await asyncio.to_thread(send, three.bootstrap, "logs", *numbered(50, 50))
        await one.until(lambda: len(set(down.admitted)) == 100)
        # The group may still be joined again, for longer than a stop waits.
        await one.until(lambda: 100 in committed_here(one))
        await one.stop(60.0)

    assert committed(three.bootstrap, "logs", partitions=2)[0] == 100


async def test_windows_are_acked_by_all_in_sync_replicas_only(three: Kafka, tmp_path: Path) -> None:
    three.create_topic(TOPIC, partitions=2)
    running, payloads = RunningBuffer(three.bootstrap, tmp_path), events(300)
    first = await running.window(*payloads[:100])
    await until(lambda: first.closed, seconds=SECONDS)

    await asyncio.to_thread(three.kill, 3)
    second = await running.window(*payloads[100:200])
    await until(lambda: second.closed, seconds=SECONDS)
    await asyncio.to_thread(three.kill, 2)
    third = await running.window(*payloads[200:])
    await until(running.buffer.troubles, seconds=SECONDS)
    was_acked = third.closed
    await asyncio.to_thread(three.start)
    await until(lambda: third.closed, seconds=SECONDS)

    assert not was_acked
    assert [one.failed for one in (first, second, third)] == [None] * 3
    assert sorted(await read_events(three.bootstrap, 300)) == sorted(payloads)
    await running.stop()
    assert running.balances()


async def test_logins_and_certificates(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    own = authority.issue("client.test", file="client")
    kafka = start_kafka(
        tmp_path, sasl=True, certificate=authority.server(), client_ca=authority.file
    )
    try:
        kafka.create_topic("logs")
        send(kafka.bootstrap, "logs", *numbered(5))
        tls = {"ca_file": authority.file, "certificate": own.certificate, "key": own.key}
        for mechanism in MECHANISMS:
            down = Downstream()
            login = {"mechanism": mechanism, "username": USER, "password": PASSWORD}
            async with reading_steadily(
                kafka.secured, down, "logs", group=mechanism, tls=tls, sasl=login
            ) as one:
                await one.until_read(down, 5)
        wrong = {"mechanism": "PLAIN", "username": USER, "password": "wrong"}
        async with reading_steadily(
            kafka.secured, Downstream(), "logs", group="wrong", tls=tls, sasl=wrong
        ) as one:
            await one.until(one.source.troubles)
            (trouble,) = one.source.troubles()
    finally:
        kafka.close()

    assert "uthentication failed" in trouble
    assert "wrong" not in "".join(r.message for r in caplog.records if r.levelno > logging.INFO)

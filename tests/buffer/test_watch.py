"""The watch of the buffer's topic: trouble is told when it comes and when it is over."""

from __future__ import annotations

import logging

import pytest

from ptingest.buffer import watch as module
from ptingest.buffer.watch import TopicWatch
from ptingest.errors import NotAppended
from ptingest.kafka.producer import KafkaProducer
from tests.fakes.kafka import MockKafka

pytestmark = pytest.mark.timeout(60)
REFUSED = NotAppended("TOPIC_AUTHORIZATION_FAILED", "Broker: not authorized")


@pytest.fixture
async def told(caplog):
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
async def watching(monkeypatch):
    monkeypatch.setattr(module, "ASK_SECONDS", 0.5)
    with MockKafka() as kafka:
        kafka.create_topic("events", partitions=3)
        properties = {"bootstrap.servers": kafka.bootstrap}
        producer = KafkaProducer(properties, message_bytes=10_000)
        yield kafka, TopicWatch("events", properties, producer)
        await producer.close()


async def test_a_topic_that_takes_records_is_no_trouble(watching) -> None:
    _, watch = watching

    await watch.look()

    assert watch.trouble is None
    assert len(watch.state.partitions) == 3


async def test_trouble_is_told_once_and_its_end_too(watching, told) -> None:
    kafka, watch = watching
    kafka.set_down(1)

    await watch.look()
    await watch.look()
    kafka.set_up(1)
    watch.confirmed()
    watch.confirmed()

    assert [record.levelname for record in told.records] == ["WARNING", "INFO"]
    assert "no broker answers" in told.records[0].getMessage()
    assert "takes records again" in told.records[1].getMessage()


async def test_a_refusal_is_trouble_until_a_record_is_confirmed(watching) -> None:
    _, watch = watching

    watch.refused(REFUSED)
    await watch.look()
    assert "kafka-acls.sh" in (watch.trouble or "")
    watch.confirmed()

    assert watch.trouble is None


async def test_a_refusal_is_forgotten_where_no_record_waits_any_more(watching) -> None:
    _, watch = watching

    watch.refused(REFUSED)
    await watch.look(has_waiting=False)

    assert watch.trouble is None

"""What `check --connect` says of a buffer."""

from __future__ import annotations

import sys

import pytest
from pydantic import ByteSize

from ptingest.buffer import watch as watch_module
from ptingest.buffer.checking import look_at_buffer
from ptingest.kafka.topic import TopicLimits
from ptingest.settings.kafka import KafkaBufferSettings
from tests.fakes.kafka import MockKafka

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def kafka():
    with MockKafka(brokers=3) as cluster:
        cluster.create_topic("ptingest", partitions=8)
        yield cluster


async def marks(kafka: MockKafka, **given: object) -> dict[str, str]:
    settings = KafkaBufferSettings(brokers=tuple(kafka.bootstrap.split(",")), **given)
    return {one.mark: one.found for one in await look_at_buffer(settings)}


@pytest.fixture
def allowing(monkeypatch):
    """Brokers that tell these limits."""

    def tell(limits: TopicLimits | None) -> None:
        monkeypatch.setattr(watch_module, "ask_limits", lambda *_, **__: limits)

    return tell


async def test_a_good_topic_is_said_with_its_partitions(kafka, allowing) -> None:
    allowing(TopicLimits(1_048_588, 2))

    assert await marks(kafka) == {"ok": "topic ptingest has 8 partitions"}


async def test_a_topic_on_one_broker_is_a_warning(kafka, allowing) -> None:
    allowing(TopicLimits(1_048_588, 1))

    assert "an ack means one broker" in (await marks(kafka))["warning"]


async def test_a_smaller_limit_of_the_topic_is_a_note(kafka, allowing) -> None:
    allowing(TopicLimits(50_000, 2))

    found = await marks(kafka, record_bytes=ByteSize(100_000))
    assert found["note"] == "the topic takes records of 50000 bytes, record_bytes is 100000"


async def test_a_user_who_may_not_ask_for_settings_is_a_note(kafka, allowing) -> None:
    allowing(None)

    assert "DescribeConfigs" in (await marks(kafka))["note"]


async def test_brokers_that_do_not_answer_are_a_problem(kafka, monkeypatch) -> None:
    monkeypatch.setattr(watch_module, "ASK_SECONDS", 0.5)
    for broker in (1, 2, 3):
        kafka.set_down(broker)

    assert "no broker answers" in (await marks(kafka))["problem"]


async def test_a_missing_package_is_a_problem(kafka, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)

    assert "pip install" in (await marks(kafka))["problem"]

"""What `check --connect` says of the topics that are read."""

from __future__ import annotations

import pytest

from ptingest.settings.kafka import KafkaSourceSettings
from ptingest.sources.kafka import checking
from ptingest.sources.kafka.checking import look_at_source
from tests.fakes.kafka import TOPIC_AUTHORIZATION_FAILED, MockKafka

pytestmark = pytest.mark.timeout(60)


def settings(brokers: str, *topics: str) -> KafkaSourceSettings:
    return KafkaSourceSettings.model_validate({"brokers": brokers, "topics": topics})


async def test_topics_are_told_one_by_one() -> None:
    with MockKafka() as kafka:
        for topic in ("there", "forbidden"):
            kafka.create_topic(topic, partitions=2)
        kafka.set_topic_error("forbidden", TOPIC_AUTHORIZATION_FAILED)

        found = await look_at_source(settings(kafka.bootstrap, "there", "forbidden", "^a.*"))

    assert [one.mark for one in found] == ["ok", "problem"]
    assert found[0].found == "topic there has 2 partitions"
    assert "TOPIC_AUTHORIZATION_FAILED" in found[1].found


async def test_a_pattern_alone_asks_for_the_brokers() -> None:
    with MockKafka() as kafka:
        found = await look_at_source(settings(kafka.bootstrap, "^a.*"))

    assert [one.mark for one in found] == ["ok"]


async def test_brokers_that_do_not_answer_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "ASK_SECONDS", 0.3)

    (found,) = await look_at_source(settings("127.0.0.1:9", "a"))

    assert (found.mark, found.stops_all) == ("problem", True)
    assert "no broker answers" in found.found

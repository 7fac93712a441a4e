"""What brokers say of topics: which cannot be read, and which were made anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ptingest.kafka.polled import Partition
from ptingest.kafka.topics_seen import Seen, TopicsSeen
from tests.fakes.kafka import TOPIC_AUTHORIZATION_FAILED, MockKafka

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        cluster.create_topic("logs")
        yield cluster


@pytest.fixture
def topics(kafka: MockKafka) -> TopicsSeen:
    return TopicsSeen({"bootstrap.servers": kafka.bootstrap})


def test_a_topic_that_stays_is_no_news(topics: TopicsSeen) -> None:
    assert [topics.look(["logs"]) for _ in range(2)] == [Seen({}, set())] * 2


def test_a_topic_that_was_deleted_and_made_again_is_told_once(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    topics.look(["logs"])
    kafka.delete_topic("logs")
    gone = topics.look(["logs"])
    kafka.create_topic("logs")

    assert gone is not None
    assert gone.problems["logs"].name == "UNKNOWN_TOPIC_OR_PART"
    assert topics.look(["logs"]) == Seen({}, {"logs"})
    assert topics.look(["logs"]) == Seen({}, set())


def test_what_brokers_say_of_a_topic_is_told_beside_the_others(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    kafka.create_topic("secret")
    kafka.set_topic_error("secret", TOPIC_AUTHORIZATION_FAILED)

    seen = topics.look(["logs", "secret"])

    assert seen is not None
    assert seen.problems.keys() == {"secret"}
    assert seen.problems["secret"].name == "TOPIC_AUTHORIZATION_FAILED"


def test_while_no_broker_answers_nothing_is_known(
    kafka: MockKafka, topics: TopicsSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 0.2)
    kafka.set_down(1)
    while_down = topics.look(["logs"])
    kafka.set_up(1)
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 30.0)

    assert while_down is None
    assert topics.look(["logs"]) == Seen({}, set())


def test_what_comes_after_the_first_look_is_new(kafka: MockKafka, topics: TopicsSeen) -> None:
    before = topics.is_new(Partition("later", 0))
    assert topics.look_first()
    kafka.create_topic("later")
    assert topics.look_first()

    assert not before
    assert not topics.is_new(Partition("logs", 0))
    assert topics.is_new(Partition("logs", 1))
    assert topics.is_new(Partition("later", 0))


def test_a_topic_that_went_is_new_when_it_comes_back(kafka: MockKafka, topics: TopicsSeen) -> None:
    topics.look_first()
    topics.look(["logs"])
    kafka.delete_topic("logs")
    topics.look(["logs"])
    kafka.create_topic("logs")
    while_unseen = topics.is_made_anew("logs")
    topics.look(["logs"])

    assert not while_unseen
    assert topics.is_made_anew("logs")
    assert topics.is_new(Partition("logs", 0))


def test_the_first_look_waits_for_a_broker(
    kafka: MockKafka, topics: TopicsSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 0.2)
    kafka.set_down(1)
    while_down = topics.look_first()
    kafka.set_up(1)
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 30.0)

    assert not while_down
    assert topics.look_first()


def test_no_topic_needs_no_broker() -> None:
    assert TopicsSeen({"bootstrap.servers": "127.0.0.1:1"}).look([]) == Seen({}, set())

"""What brokers say of topics: which cannot be read, and which were made anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ptingest.kafka.polled import Partition
from ptingest.kafka.topics_seen import TopicsSeen
from tests.fakes.kafka import TOPIC_AUTHORIZATION_FAILED, MockKafka

pytestmark = pytest.mark.timeout(60)
LOGS = Partition("logs", 0)


@pytest.fixture
def kafka() -> Iterator[MockKafka]:
    with MockKafka() as cluster:
        cluster.create_topic("logs")
        yield cluster


@pytest.fixture
def topics(kafka: MockKafka) -> TopicsSeen:
    return TopicsSeen({"bootstrap.servers": kafka.bootstrap})


def test_a_topic_that_stays_is_no_news(topics: TopicsSeen) -> None:
    looks = []
    for _ in range(2):
        looks.append(topics.look(["logs"]))
        topics.begin(LOGS)

    assert looks == [{}, {}]
    assert not topics.is_made_anew(LOGS)


def test_a_topic_that_was_deleted_and_made_again_is_another_one_until_it_is_read(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    topics.look(["logs"])
    topics.begin(LOGS)
    kafka.delete_topic("logs")
    gone = topics.look(["logs"])
    kafka.create_topic("logs")
    topics.look(["logs"])
    before = topics.is_made_anew(LOGS)
    topics.begin(LOGS)

    assert gone is not None
    assert gone["logs"].name == "UNKNOWN_TOPIC_OR_PART"
    assert before
    assert not topics.is_made_anew(LOGS)


def test_a_partition_that_is_added_to_a_topic_which_was_made_anew_is_not_made_anew(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    topics.look(["logs"])
    topics.begin(LOGS)
    kafka.delete_topic("logs")
    kafka.create_topic("logs", partitions=2)
    topics.look(["logs"])

    assert topics.is_made_anew(LOGS)
    assert not topics.is_made_anew(Partition("logs", 1))


def test_what_is_committed_beside_an_offset_tells_another_process_of_a_topic_made_anew(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    nothing_known = topics.note(LOGS)
    topics.look(["logs"])
    topics.begin(LOGS)
    note = topics.note(LOGS)
    other, later = (TopicsSeen({"bootstrap.servers": kafka.bootstrap}) for _ in range(2))

    other.committed(LOGS, note)
    other.look(["logs"])
    kafka.delete_topic("logs")
    kafka.create_topic("logs")
    later.committed(LOGS, note)
    later.look(["logs"])

    assert nothing_known == ""
    assert not other.is_made_anew(LOGS)
    assert later.is_made_anew(LOGS)


@pytest.mark.parametrize("note", ["", "of another program", "topic x of cluster another"])
def test_notes_of_other_programs_and_clusters_tell_nothing(topics: TopicsSeen, note: str) -> None:
    topics.committed(LOGS, note)

    topics.look(["logs"])

    assert not topics.is_made_anew(LOGS)


def test_what_brokers_say_of_a_topic_is_told_beside_the_others(
    kafka: MockKafka, topics: TopicsSeen
) -> None:
    kafka.create_topic("secret")
    kafka.set_topic_error("secret", TOPIC_AUTHORIZATION_FAILED)

    seen = topics.look(["logs", "secret"])

    assert seen is not None
    assert seen.keys() == {"secret"}
    assert seen["secret"].name == "TOPIC_AUTHORIZATION_FAILED"


def test_while_no_broker_answers_nothing_is_known(
    kafka: MockKafka, topics: TopicsSeen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 0.2)
    kafka.set_down(1)
    while_down = topics.look(["logs"])
    kafka.set_up(1)
    monkeypatch.setattr("ptingest.kafka.topics_seen.ASK_SECONDS", 30.0)

    assert while_down is None
    assert topics.look(["logs"]) == {}


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
    topics.look(["logs"])

    assert topics.is_new(LOGS)


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
    assert TopicsSeen({"bootstrap.servers": "127.0.0.1:1"}).look([]) == {}

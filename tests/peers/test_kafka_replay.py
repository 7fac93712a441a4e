"""A stretch of a real topic is read again: what lies between two times, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from ptingest.pipeline.compile import packaged_profile_path
from tests.peers.kafka_peer import Kafka
from tests.support.command import Ran, run
from tests.support.raw_peer import shipped

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

HOUR = 3600
GROUP = "indexers"


@pytest.fixture
def topic(kafka: Kafka, request: pytest.FixtureRequest) -> str:
    """Events of three hours ago, of one and a half, and of now, in two partitions."""
    name = f"replay-{abs(hash(request.node.name))}"
    kafka.create_topic(name, partitions=2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    now = time.time()
    for number, age in enumerate([3.0, 3.0, 3.0, 1.5, 1.5, 1.5, 1.5, 1.5, 0.0, 0.0]):
        line = f"INFO|apps.parcels.views|2025-01-02T03:04:05Z|{age} {number}"
        producer.produce(
            name,
            shipped(line, offset=number),
            partition=number % 2,
            timestamp=int((now - age * HOUR) * 1000),
        )
    assert producer.flush(60) == 0
    return name


def replay(kafka: Kafka, topic: str, folder: Path, *options: str) -> Ran:
    (folder / "ptingest.yaml").write_text(
        f"kafka: {{brokers: '{kafka.bootstrap}', topics: [{topic}], group: {GROUP}}}\n"
    )
    return run("replay", "--config", "ptingest.yaml", *options, folder=folder)


def stored(folder: Path) -> list[str]:
    config = folder / "data" / "replay" / "store" / "ptingest.yaml"
    found = run("search", "*", "--json", "--config", str(config), folder=folder)
    return sorted(
        orjson.loads(line)["message"].rpartition("|")[2] for line in found.out.splitlines()
    )


def test_what_lies_between_two_times_is_read_into_a_store(
    kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    done = replay(kafka, topic, tmp_path, "--from", "2h", "--to", "1h", "--store")

    assert done.code == 0, done.err
    assert b"5 events read again" in done.out
    assert stored(tmp_path) == [f"1.5 {number}" for number in (3, 4, 5, 6, 7)]
    assert not (tmp_path / "data" / "replay" / "store" / "position.json").exists()

    asking = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": GROUP, "log_level": 2})
    places = asking.committed([TopicPartition(topic, one) for one in (0, 1)], timeout=30)
    asking.close()
    assert all(place.offset < 0 for place in places), "a replay committed offsets of the group"

    again = replay(kafka, topic, tmp_path, "--from", "2h", "--store")
    assert again.code == 0, again.err
    assert b"7 events read again" in again.out
    assert len(stored(tmp_path)) == 7


def test_what_other_rules_would_change_is_counted(kafka: Kafka, topic: str, tmp_path: Path) -> None:
    rules = packaged_profile_path().read_text(encoding="utf-8")
    assert "namespace: pt" in rules
    (tmp_path / "new.yaml").write_text(rules.replace("namespace: pt", "namespace: pt_new"))

    done = replay(kafka, topic, tmp_path, "--from", "4h", "--compare", "--profile", "new.yaml")

    assert done.code == 1, done.err
    told = done.out.decode()
    assert "django: 10 events: logs-django-pt -> logs-django-pt_new" in told
    assert "10 events compared, 0 would not change" in told
    assert not (tmp_path / "data" / "replay").exists()


def test_a_topic_that_is_not_there_is_named(kafka: Kafka, tmp_path: Path) -> None:
    done = replay(kafka, "no-such-topic", tmp_path, "--from", "2h", "--store")

    assert done.code == 1
    assert "there is no topic no-such-topic" in done.err

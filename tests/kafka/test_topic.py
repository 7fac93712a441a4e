"""What is said of a topic, and of what keeps records out of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ptingest.kafka.topic import PartitionState, TopicLimits, TopicState, ask_limits, trouble_of
from tests.fakes.kafka import MockKafka

GOOD = PartitionState(has_leader=True, replicas=3, in_sync=3)
LIMITS = TopicLimits(record_bytes=1_000_000, in_sync_replicas=2)


def broker_says(leader: int, replicas: int, in_sync: int) -> SimpleNamespace:
    return SimpleNamespace(leader=leader, replicas=[1] * replicas, isrs=[1] * in_sync)


def test_the_state_is_read_from_what_a_broker_describes() -> None:
    told = SimpleNamespace(
        error=None, partitions={0: broker_says(1, 3, 2), 1: broker_says(-1, 3, 0)}
    )

    state = TopicState.of(told)

    assert state.partitions == {0: PartitionState(True, 3, 2), 1: PartitionState(False, 3, 0)}


@pytest.mark.parametrize(
    ("partitions", "says"),
    [
        ({0: GOOD}, None),
        ({0: GOOD._replace(in_sync=2)}, None),
        ({0: GOOD, 1: GOOD._replace(in_sync=1)}, "partition 1 of topic logs has fewer than 2"),
        ({0: GOOD, 1: GOOD._replace(has_leader=False)}, "no broker leads partition 1 of"),
        (dict.fromkeys(range(9), GOOD._replace(in_sync=1)), "partitions 0, 1, 2, 3, 4 ... of"),
    ],
)
def test_a_topic_that_takes_no_records_says_which_partitions(partitions, says) -> None:
    trouble = TopicState(partitions).trouble("logs", LIMITS)

    assert trouble is None if says is None else says in (trouble or "")


def test_replicas_are_not_asked_for_where_their_number_is_unknown() -> None:
    state = TopicState({0: GOOD._replace(in_sync=1)})

    assert state.trouble("logs", None) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("UNKNOWN_TOPIC_OR_PART", "--create --topic logs --partitions 8"),
        ("_UNKNOWN_TOPIC", "--create --topic logs"),
        ("TOPIC_AUTHORIZATION_FAILED", "kafka-acls.sh"),
        ("", "no broker answers (refused)"),
        ("POLICY_VIOLATION", "refuse records for topic logs (POLICY_VIOLATION: refused)"),
    ],
)
def test_each_error_says_what_to_do(name, says) -> None:
    assert says in trouble_of(name, "refused", "logs")


def test_limits_that_nobody_tells_are_none() -> None:
    with MockKafka() as kafka:  # it answers no such questions
        assert ask_limits({"bootstrap.servers": kafka.bootstrap}, "logs", seconds=1) is None

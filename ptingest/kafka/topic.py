"""What brokers say of a topic, and which of it keeps records from being appended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ptingest.kafka.package import confluent_kafka, confluent_kafka_admin, new_admin

MISSING = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
FORBIDDEN = frozenset({"TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"})
"""Names of errors."""


class TopicLimits(NamedTuple):
    """Settings of a topic that its producers must know."""

    record_bytes: int
    """``max.message.bytes``: the largest batch of records, compressed."""
    in_sync_replicas: int
    """``min.insync.replicas``: with fewer nothing is appended."""


class PartitionState(NamedTuple):
    has_leader: bool
    replicas: int
    in_sync: int


class TopicState(NamedTuple):
    """A topic as a broker describes it; nothing is known of partitions where there is an error."""

    partitions: Mapping[int, PartitionState]
    error: str | None = None
    """Name of the error, "" where no broker answered."""
    detail: str = ""

    @classmethod
    def unanswered(cls, detail: str) -> TopicState:
        """No broker could be asked."""
        return cls({}, "", detail)

    @classmethod
    def of(cls, metadata: Any) -> TopicState:
        """Read the library's ``TopicMetadata``."""
        if metadata.error is not None:
            return cls({}, metadata.error.name(), metadata.error.str())
        partitions = {
            number: PartitionState(one.leader >= 0, len(one.replicas), len(one.isrs))
            for number, one in metadata.partitions.items()
        }
        return cls(partitions)

    def trouble(self, topic: str, limits: TopicLimits | None) -> str | None:
        """Why nothing or not all can be appended, and what to do; None where all is well."""
        if self.error is not None:
            return trouble_of(self.error, self.detail, topic)
        if leaderless := [number for number, one in self.partitions.items() if not one.has_leader]:
            return (
                f"no broker leads {_partitions(leaderless)} of topic {topic}; "
                "start the brokers that have replicas of it"
            )
        wanted = 1 if limits is None else limits.in_sync_replicas
        few = [number for number, one in self.partitions.items() if one.in_sync < wanted]
        if few:
            return (
                f"{_partitions(few)} of topic {topic} has fewer than {wanted} replicas in sync "
                "(min.insync.replicas), so nothing is appended to it; start the other brokers"
            )
        return None


def trouble_of(name: str, detail: str, topic: str) -> str:
    """Say what an error means for whom appends to ``topic``, and what to do."""
    if name == "":
        return f"no broker answers ({detail})"
    if name in MISSING:
        return (
            f"topic {topic} does not exist; make it, with as many partitions as there will be "
            f"indexers: kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic} "
            "--partitions 8 --replication-factor 3 --config min.insync.replicas=2"
        )
    if name in FORBIDDEN:
        return (
            f"the user may not write to topic {topic} ({name}); allow it: kafka-acls.sh "
            f"--bootstrap-server HOST:PORT --add --allow-principal User:NAME --producer "
            f"--idempotent --topic {topic}"
        )
    return f"the brokers refuse records for topic {topic} ({name}: {detail})"


def ask_limits(
    properties: Mapping[str, object], topic: str, *, seconds: float
) -> TopicLimits | None:
    """Ask for the settings of a topic; None where it is not allowed, or nobody answers. Blocks."""
    admin, client = confluent_kafka_admin(), new_admin(properties)
    resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, topic)
    try:
        found = client.describe_configs([resource], request_timeout=seconds)[resource]
        entries = found.result(seconds + 1)
        return TopicLimits(
            int(entries["max.message.bytes"].value), int(entries["min.insync.replicas"].value)
        )
    except (confluent_kafka().KafkaException, TimeoutError, KeyError, TypeError, ValueError):
        return None


def _partitions(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
    return f"partition{'s' if len(numbers) > 1 else ''} {shown}"

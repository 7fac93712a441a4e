"""What is read from Kafka: partitions, their records, and what brokers say of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ptingest.errors import KafkaReadFailed


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class KafkaRecord(NamedTuple):
    """One record, as it was read."""

    topic: str
    partition: int
    offset: int
    millis: int
    """When it was written, since the epoch; 0 where the record does not say it."""
    value: bytes | None
    """None: a tombstone."""
    headers: Sequence[tuple[str, bytes | None]] | None
    key: bytes | None = None


def record_of(message: Any) -> KafkaRecord:
    """Return a message of the client library as a record."""
    return KafkaRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        max(0, message.timestamp()[1]),
        message.value(),
        message.headers(),
        message.key(),
    )


def read_failed(error: Any, where: str = "") -> KafkaReadFailed:
    """Return an error of the client library as ours; ``where`` stands before what it says."""
    return KafkaReadFailed(error.name(), f"{where}{error.str()}")


class Problem(NamedTuple):
    """What the brokers say of a topic, or of the group."""

    name: str
    """Of the error in the Kafka protocol; with an underscore before it where the client library
    gives it by itself."""
    detail: str
    topic: str | None


class Polled(NamedTuple):
    """What one poll brought, in the order of each partition's offsets."""

    records: list[KafkaRecord]
    problems: list[Problem]
    placed: int
    """How often ``place`` had been carried out before."""
    ends: dict[Partition, int]
    """Partitions of which everything was read, up to this offset."""


class Beginning(NamedTuple):
    """Where a partition is read from that the group has no usable offset of."""

    offset: int
    committed: int | None
    """The group's offset, which is gone; None where it had none."""
    low: int
    """The first offset that is still there."""
    is_anew: bool = False
    """The topic was deleted and made again while it was read."""


class PartitionOwner(Protocol):
    """Who answers for the partitions of a consumer; called on the loop."""

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """These are read from now on."""
        ...

    async def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """These are taken away; return the offsets to commit before they are."""
        ...

    async def lost(self, partitions: Sequence[Partition]) -> None:
        """These have gone: others may read them already, and nothing can be committed."""
        ...

    async def begun(self, partition: Partition, beginning: Beginning) -> None:
        """This one is read from where ``beginning`` says."""
        ...

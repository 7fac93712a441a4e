"""Where an event came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from ptingest.model.document import Target


class MaySend(msgspec.Struct, frozen=True):
    """What a peer may send; None means anything."""

    groups: frozenset[str] | None = None
    services: frozenset[str] | None = None

    def covers(self, group: str, service: str) -> bool:
        """Whether the peer may send an event with these two values."""
        return (self.groups is None or group in self.groups) and (
            self.services is None or service in self.services
        )


class RecordPlace(NamedTuple):
    """Where a record of Kafka is."""

    topic: str
    partition: int
    offset: int
    millis: int
    """When it was written, since the epoch."""
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    is_tombstone: bool = False
    """It has no value; its payload stands for that."""


class Origin(msgspec.Struct, frozen=True):
    """The peer of one connection, as logs and dead letters show it."""

    peer: str
    """Address and port, ``192.0.2.7:51234``; for requeued letters the original peer."""
    tls_subject: str | None = None
    """Of the certificate that the peer presented, ``CN=web-1,O=Parcels``."""
    source: str = "beats"
    key: str | None = None
    """The key of a requeued letter, which is processed alone: its document gets this key."""
    records: Mapping[int, RecordPlace] | None = None
    """Of events that are records of their own in Kafka: their places by the ``id`` of their
    payload. Events without a key of their own are known by them."""
    sink: str | None = None
    """The only sink that its documents are for; None means every sink."""
    target: Target | None = None
    """Where the payload goes as it is: it is a document, and rules cannot be applied again."""
    may_send: tuple[MaySend, ...] | None = None
    """Each one is a set of events that the peer may send; None means everything."""


class Sender(NamedTuple):
    """What /status shows of a sender; None where its events do not say it."""

    agent: str | None = None
    """Program and version, ``filebeat 8.19.0``."""
    files_known_by: str | None = None
    agent_name: str | None = None
    """``agent.name``, which is the host's unless ``name`` in filebeat.yml says otherwise."""
    host: str | None = None
    """``host.name``."""

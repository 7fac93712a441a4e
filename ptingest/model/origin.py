"""Where an event came from."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class MaySend(msgspec.Struct, frozen=True):
    """What a peer is limited to; None means any."""

    groups: frozenset[str] | None = None
    services: frozenset[str] | None = None

    def covers(self, group: str, service: str) -> bool:
        """Whether an event with these two values may come from the peer."""
        return (self.groups is None or group in self.groups) and (
            self.services is None or service in self.services
        )


class Origin(msgspec.Struct, frozen=True):
    """The peer of one connection, as it shows in logs and dead letters."""

    peer: str
    """Address and port, ``192.0.2.7:51234``; for requeued letters the original peer."""
    tls_subject: str | None = None
    """Of the certificate it showed, ``CN=web-1,O=Parcels``."""
    source: str = "beats"
    key: str | None = None
    """Of a requeued letter, which comes alone: what it becomes keeps this key."""
    may_send: tuple[MaySend, ...] | None = None
    """Each one a set of events it may send; None means everything."""


class Sender(NamedTuple):
    """What /status tells of a sender; None for what its events do not say."""

    agent: str | None = None
    files_known_by: str | None = None

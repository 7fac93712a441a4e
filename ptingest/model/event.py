"""Where an event came from."""

from __future__ import annotations

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """The peer of one connection, as it shows in logs and dead letters."""

    peer: str
    """Address and port, ``192.0.2.7:51234``; for requeued letters the original peer."""
    tls_subject: str | None = None
    source: str = "beats"

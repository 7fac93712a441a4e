"""The Beats port: where it listens and every limit of a connection."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ByteSize, Field

from ptingest.settings.strict import (
    ListenAddress,
    PositiveBytes,
    PositiveSeconds,
    StrictSettings,
    section,
)
from ptingest.settings.tls import BeatsTlsSettings

KIB = 1 << 10
MIB = 1 << 20


def _network(text: str) -> str:
    from ipaddress import ip_network

    try:
        ip_network(text)
    except ValueError as error:
        cure = "write addresses like 10.1.0.0/16, 192.0.2.7 or 2001:db8::/32"
        raise ValueError(f"{error}; {cure}") from None
    return text


Network = Annotated[str, AfterValidator(_network)]
"""An address or a network in CIDR."""


class BeatsLimits(StrictSettings):
    """Limits of one connection, of one address, and of all connections together."""

    window_events: Annotated[int, Field(ge=1, le=10_000_000)] = 65_536
    """Events a window frame may announce; Filebeat's ``bulk_max_size`` must stay below."""
    frame_bytes: PositiveBytes = ByteSize(64 * MIB)
    """One JSON, data or compressed frame as it comes over the wire, and what it inflates to
    for one event."""
    event_bytes: PositiveBytes = ByteSize(16 * MIB)
    """One event; a larger one becomes a dead letter undecoded and can be requeued under a
    larger limit. Filebeat cuts messages at its own ``max_bytes``, 10 MiB."""
    window_bytes: PositiveBytes = ByteSize(256 * MIB)
    """One window after inflating, all its compressed frames together. A larger limit costs
    time and no memory: a window is taken in parts of 8 MiB."""
    connection_bytes: PositiveBytes = ByteSize(64 * MIB)
    """Bytes received and not yet framed, for one connection; beyond it the connection is not
    read."""
    total_bytes: PositiveBytes = ByteSize(128 * MIB)
    """All events in memory: half for bytes received and not yet framed, half for documents
    outstanding. When a half is full, acks are withheld and then connections are not read. One
    address may hold three eighths of the first half in unfinished windows; Beats behind a load
    balancer are one address unless it sends PROXY headers (``proxy_protocol_from``). Give the
    process this and 256 MiB more, and 288 MiB for the process that takes large events."""
    connections: Annotated[int, Field(ge=1)] = 4096
    """Open connections; one more is closed at once."""
    connections_per_ip: Annotated[int, Field(ge=1)] = 256
    """Open connections from one address."""
    pairs: Annotated[int, Field(ge=1)] = 4096
    """Key-value pairs in one v1 data frame."""
    write_seconds: PositiveSeconds = 30.0
    """A peer that does not read its acks for this long is closed."""
    first_byte_seconds: PositiveSeconds = 60.0
    """A new connection that sends nothing for this long is closed."""
    frame_seconds: PositiveSeconds = 30.0
    """A connection is closed when its unfinished frame receives nothing for this long, or
    less than ``min_bytes_per_second`` over this long."""
    window_seconds: PositiveSeconds = 300.0
    """The same for an unfinished window: it is complete in this long, or it arrives at
    ``min_bytes_per_second`` at least."""
    min_bytes_per_second: PositiveBytes = ByteSize(KIB)
    """The lowest rate at which an unfinished frame or window may arrive."""
    idle_seconds: PositiveSeconds = 900.0
    """A connection without an open window and without traffic is closed after this long."""
    handshake_seconds: PositiveSeconds = 10.0
    """A connection whose PROXY header and TLS handshake take longer is closed."""


class BeatsSettings(StrictSettings):
    """The port that Filebeat ships to."""

    listen: ListenAddress = "0.0.0.0:5044"
    """``host:port`` of the Beats port; port 0 picks a free one."""
    keepalive_seconds: PositiveSeconds = 3.0
    """An ack of 0 is sent this often while a window is open, so that no Beat times out (a
    Beat waits 30 s)."""
    hold_seconds: PositiveSeconds = 900.0
    """A connection whose window waits longer is closed, so that the Beat may try another
    host."""
    quiet_seconds: PositiveSeconds = 1.0
    """A part-filled v1 window is acked after this long without a byte."""
    allow_from: tuple[Network, ...] = ()
    """Networks that may connect, compared with a Beat's own address; an empty list allows all."""
    proxy_protocol_from: tuple[Network, ...] = ()
    """Load balancers that begin each connection with a PROXY header (v1 or v2), which names
    the Beat's own address. From these addresses the header is required; from all others it is
    never trusted."""
    tls: BeatsTlsSettings | None = None
    """Without this section Beats speak plaintext; with it plaintext is refused."""
    limits: BeatsLimits = section(BeatsLimits)

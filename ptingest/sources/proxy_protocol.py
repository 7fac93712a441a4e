"""The PROXY protocol: a load balancer sends the client's address before the first byte.

The header is read from the raw socket and not one byte beyond it, so that the TLS handshake or
the first frame can follow. Whether the sender is trusted is decided elsewhere.

Format: "The PROXY protocol, versions 1 & 2", in HAProxy's doc/proxy-protocol.txt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final, NamedTuple

from ptingest.errors import ConnectionRejected

V1_START: Final = b"PROXY "
V1_BYTES: Final = 107
"""The longest line of version 1, its line break included."""
V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_HEAD_BYTES: Final = 16
V2_BODY_BYTES: Final = 4096
"""Addresses and additions of the load balancer; the protocol allows 65535."""

_TAIL: Final = Struct(">BBH")
_PORTS: Final = Struct(">HH")
_ADDRESS_BYTES: Final = {1: 4, 2: 16}
_UNIX_BYTES: Final = 216

ReadExactly = Callable[[int], Awaitable[bytes]]
"""Reads the given number of bytes; returns fewer only at the end of the stream."""


class Address(NamedTuple):
    """An IP address and a port."""

    ip: str
    port: int


async def read_header(read: ReadExactly) -> Address | None:
    """Read one header; None means that the address of the connection itself is to be used.

    Raises:
        ConnectionRejected: the header is missing, broken, too long or not complete; close.
    """
    first = await read(1)
    if not first:
        raise ConnectionRejected(
            reason="proxy_header_missing", detail="closed before its PROXY header", is_silent=True
        )
    if first not in (V1_START[:1], V2_START[:1]):
        raise _missing(first)
    start = first + await _whole(read, len(V2_START) - 1)
    if start == V2_START:
        head = start + await _whole(read, V2_HEAD_BYTES - len(start))
        length = _TAIL.unpack_from(head, len(V2_START))[2]
        if length > V2_BODY_BYTES:
            raise _broken(f"it announces {length} bytes, limit is {V2_BODY_BYTES}")
        return parse_v2(head, await _whole(read, length))
    if not start.startswith(V1_START):
        raise _missing(start)
    line = start
    while not line.endswith(b"\r\n"):
        if len(line) >= V1_BYTES:
            raise _broken(f"no line break within {V1_BYTES} bytes")
        line += await _whole(read, 1)
    return parse_v1(line)


def parse_v1(line: bytes) -> Address | None:
    """The source address of one line of version 1; None for ``UNKNOWN``."""
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return None
    if words[1] not in (b"TCP4", b"TCP6") or len(words) != 6:
        raise _broken("not PROXY TCP4|TCP6 source destination port port")
    family = IPv4Address if words[1] == b"TCP4" else IPv6Address
    for text in words[2:4]:
        if not isinstance(_ip(text.decode("latin-1")), family):
            raise _broken(f"{text!r} is not an {family.__name__}")
    for text in words[4:6]:
        if not (text.isdigit() and len(text) <= 5 and int(text) <= 65535):
            raise _broken(f"{text!r} is not a port")
    return Address(str(_ip(words[2].decode("latin-1"))), int(words[4]))


def parse_v2(head: bytes, body: bytes) -> Address | None:
    """The source address of a header of version 2; None for LOCAL and unspecified ones."""
    version_and_command, family_and_transport, _ = _TAIL.unpack_from(head, len(V2_START))
    version, command = version_and_command >> 4, version_and_command & 15
    family, transport = family_and_transport >> 4, family_and_transport & 15
    if version != 2:
        raise _broken(f"version {version} is not known")
    if command == 0:
        return None
    if command != 1:
        raise _broken(f"command {command} is not known")
    if family == 0:
        return None
    if family > 3 or transport != 1:
        raise _broken(f"family {family} with transport {transport}, expected TCP")
    size = _ADDRESS_BYTES.get(family)
    used = _UNIX_BYTES if size is None else 2 * size + _PORTS.size
    if len(body) < used:
        raise _broken(f"its length is {len(body)}, but its addresses take {used} bytes")
    _check_additions(body[used:])
    if size is None:
        return None
    return Address(str(ip_address(body[:size])), _PORTS.unpack_from(body, 2 * size)[0])


def _check_additions(rest: bytes) -> None:
    """Check the lengths of what follows the addresses: a wrong total would swallow a frame."""
    while rest:
        end = 3 + int.from_bytes(rest[1:3], "big")
        if len(rest) < end:
            raise _broken("its length does not match its content")
        rest = rest[end:]


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    # A zone (fe80::1%eth0) is free text for an interface of the sender.
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


async def _whole(read: ReadExactly, count: int) -> bytes:
    data = await read(count)
    if len(data) < count:
        raise ConnectionRejected(
            reason="proxy_header_truncated", detail="closed in the middle of its PROXY header"
        )
    return data


def _missing(start: bytes) -> ConnectionRejected:
    return ConnectionRejected(
        reason="proxy_header_missing",
        detail=f"first bytes are 0x{start.hex()}, but connections from this address must begin "
        "with a PROXY header (beats.proxy_protocol_from); switch it on at the load balancer, or "
        "take the address out",
    )


def _broken(what: str) -> ConnectionRejected:
    return ConnectionRejected(reason="proxy_header_broken", detail=f"broken PROXY header: {what}")

"""PROXY headers, byte for byte; the cases after HAProxy's doc/proxy-protocol.txt."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.errors import ConnectionRejected
from ptingest.sources.proxy_protocol import V2_START, Address, read_header

FIRST_FRAME = b"2W\0\0\0\1"
V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack(">HH", 51234, 5044)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack(">HH", 51234, 5044)
)


def v2(body: bytes, *, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    announced = len(body) if length is None else length
    return V2_START + struct.pack(">BBH", command, family, announced) + body


def read(wire: bytes) -> tuple[Address | None, bytes]:
    """The address and what is left on the wire after the header."""
    at = 0

    async def take(count: int) -> bytes:
        nonlocal at
        part = wire[at : at + count]
        at += len(part)
        return part

    return asyncio.run(read_header(take)), wire[at:]


@pytest.mark.parametrize(
    ("header", "address"),
    [
        pytest.param(
            b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 5044\r\n", ("192.0.2.7", 51234), id="v1 IPv4"
        ),
        pytest.param(
            b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 5044\r\n",
            ("2001:db8::7", 51234),
            id="v1 IPv6",
        ),
        pytest.param(b"PROXY UNKNOWN\r\n", None, id="v1 unknown"),
        pytest.param(
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            None,
            id="v1 unknown with anything behind",
        ),
        pytest.param(v2(V4), ("192.0.2.7", 51234), id="v2 IPv4"),
        pytest.param(v2(V6, family=0x21), ("2001:db8::7", 51234), id="v2 IPv6"),
        pytest.param(v2(V4 + b"\x04\0\2hi"), ("192.0.2.7", 51234), id="v2 with an addition"),
        pytest.param(v2(b"\0" * 216, family=0x31), None, id="v2 over a local socket"),
        pytest.param(v2(b"", command=0x20, family=0), None, id="v2 LOCAL"),
        pytest.param(v2(V4, command=0x20), None, id="v2 LOCAL whose addresses do not count"),
        pytest.param(v2(b"", family=0), None, id="v2 of no family"),
    ],
)
def test_a_header_tells_the_address_and_leaves_the_first_frame(
    header: bytes, address: tuple[str, int] | None
) -> None:
    found, rest = read(header + FIRST_FRAME)

    assert found == address
    assert rest == FIRST_FRAME


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(b"", "missing", id="nothing"),
        pytest.param(FIRST_FRAME * 3, "missing", id="a frame at once"),
        pytest.param(b"\x16\x03\x01" + bytes(20), "missing", id="a TLS handshake at once"),
        pytest.param(b"POST /_bulk HTTP/1.1\r\n", "missing", id="HTTP"),
        pytest.param(b"PROXY TCP4 192.0.2.7 10.0", "truncated", id="v1 cut"),
        pytest.param(b"PROXY TCP4" + b" " * 200, "broken", id="v1 without a line break"),
        pytest.param(b"PROXY TCP4 192.0.2.7 10.0.0.1 51234\r\n", "broken", id="v1 short of a port"),
        pytest.param(
            b"PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n", "broken", id="v1 with the other family"
        ),
        pytest.param(b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n", "broken", id="v1 with no port"),
        pytest.param(b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n", "broken", id="v1 port too high"),
        pytest.param(
            b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "broken", id="v1 with a zone, free text"
        ),
        pytest.param(b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "broken", id="v1 over UDP"),
        pytest.param(v2(V4)[:20], "truncated", id="v2 cut"),
        pytest.param(V2_START[:7], "truncated", id="v2 cut in its signature"),
        pytest.param(v2(V4, command=0x11), "broken", id="v2 of version 1"),
        pytest.param(v2(V4, command=0x22), "broken", id="v2 with an unknown command"),
        pytest.param(v2(V4, family=0x12), "broken", id="v2 over UDP"),
        pytest.param(v2(V4, family=0x41), "broken", id="v2 of an unknown family"),
        pytest.param(v2(V4[:4]), "broken", id="v2 whose length is shorter than its addresses"),
        pytest.param(
            v2(V4 + FIRST_FRAME, length=len(V4) + 6), "broken", id="v2 whose length eats a frame"
        ),
        pytest.param(v2(V4, length=4097) + bytes(5000), "broken", id="v2 of more than we take"),
        pytest.param(v2(V4, length=200), "truncated", id="v2 that announces more than it sends"),
    ],
)
def test_what_is_no_whole_header_is_turned_away(wire: bytes, reason: str) -> None:
    with pytest.raises(ConnectionRejected) as raised:
        read(wire)

    assert raised.value.reason == f"proxy_header_{reason}"


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", V2_START, V2_START + b"\x21\x11"]))
def test_no_bytes_do_anything_but_give_an_address_or_turn_away(rest: bytes, start: bytes) -> None:
    try:
        address, _ = read(start + rest)
    except ConnectionRejected:
        return
    assert address is None or (address.ip and 0 <= address.port <= 65535)

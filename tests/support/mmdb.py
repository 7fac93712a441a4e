"""Small databases in MaxMind's format, after its public specification (version 2)."""

from __future__ import annotations

import struct
from ipaddress import ip_network
from typing import Any, NamedTuple

SEPARATOR = b"\xab\xcd\xefMaxMind.com"
RECORD_BITS = 24
UINT16, UINT32, UINT64 = 5, 6, 9


class _Integer(NamedTuple):
    """A number of another type than 32 bits: readers insist on it in the metadata."""

    value: int
    kind: int


def database(kind: str, records: dict[str, dict[str, Any]], *, version: int = 6) -> bytes:
    """Return the bytes of a database of a kind such as ``GeoLite2-City``.

    Networks of IPv4 stand below ``::/96``, as in MaxMind's own files.
    """
    tree: list[Any] = [[None, None]]
    data = b""
    for text, record in records.items():
        network = ip_network(text)
        length = network.prefixlen + (96 if version == 6 and network.version == 4 else 0)
        bits = f"{int(network.network_address):0{128 if version == 6 else 32}b}"[:length]
        _put(tree, bits, len(data))
        data += _encoded(record)
    nodes = b"".join(_pointer(one, len(tree)) for node in tree for one in node)
    metadata = {
        "binary_format_major_version": _Integer(2, UINT16),
        "binary_format_minor_version": _Integer(0, UINT16),
        "build_epoch": _Integer(1, UINT64),
        "database_type": kind,
        "description": {"en": kind},
        "ip_version": _Integer(version, UINT16),
        "languages": ["en"],
        "node_count": len(tree),
        "record_size": _Integer(RECORD_BITS, UINT16),
    }
    return nodes + bytes(16) + data + SEPARATOR + _encoded(metadata)


def _put(tree: list[Any], bits: str, offset: int) -> None:
    node = tree[0]
    for bit in bits[:-1]:
        if node[int(bit)] is None:
            tree.append([None, None])
            node[int(bit)] = tree[-1]
        node = node[int(bit)]
    node[int(bits[-1])] = ("data", offset)
    _number(tree)


def _number(tree: list[Any]) -> None:
    """Let each node know its place; lists are told apart by identity."""
    for place, node in enumerate(tree):
        node[2:] = [place]


def _pointer(one: Any, count: int) -> bytes:
    if one is None:
        number = count
    elif isinstance(one, tuple):
        number = count + 16 + one[1]
    elif isinstance(one, list):
        number = one[2]
    else:
        return b""
    return int(number).to_bytes(RECORD_BITS // 8, "big")


def _encoded(value: Any) -> bytes:
    match value:
        case bool():
            return _head(14, int(value))
        case str():
            raw = value.encode()
            return _head(2, len(raw)) + raw
        case float():
            return _head(3, 8) + struct.pack(">d", value)
        case _Integer(number, kind):
            raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return _head(kind, len(raw)) + raw
        case int():
            return _encoded(_Integer(value, UINT32))
        case dict():
            pairs = b"".join(_encoded(key) + _encoded(one) for key, one in value.items())
            return _head(7, len(value)) + pairs
        case list():
            return _head(11, len(value)) + b"".join(map(_encoded, value))
    raise TypeError(f"no encoding for {value!r}")


def _head(kind: int, size: int) -> bytes:
    """Return the control bytes: three bits of the type, or none and a byte for those above 7."""
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind > 7:
        return bytes([short, kind - 7]) + more
    return bytes([kind << 5 | short]) + more

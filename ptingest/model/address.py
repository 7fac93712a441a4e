"""``host:port`` as settings and command lines write it."""

from __future__ import annotations

from ipaddress import ip_address

LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Return the address itself, or loopback for a server that listens on all addresses."""


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 host may be written in brackets.

    Raises:
        ValueError: there is no number behind the last colon.
    """
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def without_port(host: str) -> str:
    """Return the name or address of a Host header, whose port may be missing."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback_host(host: str) -> bool:
    """Say whether a name or an address means this host only; names are not looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

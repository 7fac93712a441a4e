"""How much of the folder each peer's letters use, so that one peer cannot fill it.

A peer may use as much as remains free for all others after it: one alone half of the limit, a
second one a quarter. So there is always room for a letter of a new peer, and a peer whose
share is full blocks itself alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from ptingest.dead_letters.tombstones import IdOf
from ptingest.errors import DeadLettersShareFull

PeerOf = Callable[[bytes], str]
"""Returns the peer of a line: its address without the port."""

# Quotes in other fields are escaped, so the first match is the field itself.
_PEER = re.compile(rb'"peer":"([^"\\]*)')


def host_of(peer: str) -> str:
    """Return the address of ``address:port``; another port is the same peer."""
    host, colon, port = peer.rpartition(":")
    return host if colon and port.isdigit() else peer


def peer_of(line: bytes) -> str:
    """Return the peer in a line, empty where there is none."""
    found = _PEER.search(line)
    return "" if found is None else host_of(found[1].decode("utf-8", "replace"))


def count_lines(
    path: Path, begin: int, *, marks: frozenset[str], id_of: IdOf, whose: PeerOf
) -> tuple[int, Counter[str]]:
    """Return how many whole lines from ``begin`` on are not done, and bytes by peer.

    A letter that is done counts for its peer until it is swept: it still uses room.
    """
    waiting, by_peer = 0, Counter[str]()
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            by_peer[whose(line)] += len(line)
            if line.endswith(b"\n") and (not marks or id_of(line) not in marks):
                waiting += 1
    return waiting, by_peer


def refuse_too_much(held: Mapping[str, int], wanted: Mapping[str, int], *, free: int) -> None:
    """Raise where a peer would hold more than is ``free`` once ``wanted`` is written.

    Raises:
        DeadLettersShareFull: names the peer that would use most.
    """
    for peer, size in sorted(wanted.items(), key=lambda one: -one[1]):
        would_hold = held.get(peer, 0) + size
        if would_hold > free:
            raise DeadLettersShareFull(peer=peer, wanted=would_hold, limit=free)

"""Finds which of many ordered prefixes a text has, without trying each.

    insert("boto", 3); insert("apps.parcels.", 6)      rank: the earlier rule is the smaller
    earliest("boto3.resources")  ->  3

When several prefixes match, the smallest rank wins, not the longest prefix: rules are an
if/else chain, written in order.
"""

from __future__ import annotations


class _Node:
    __slots__ = ("children", "rank")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.rank: int | None = None


class PrefixTrie:
    """Prefixes with ranks; the time of a lookup depends on the length of the text alone."""

    def __init__(self) -> None:
        self._root = _Node()

    def insert(self, prefix: str, rank: int) -> None:
        """Add a prefix; of two equal ones the smaller rank is kept."""
        node = self._root
        for character in prefix:
            node = node.children.setdefault(character, _Node())
        if node.rank is None or rank < node.rank:
            node.rank = rank

    def earliest(self, text: str) -> int | None:
        """Return the smallest rank among the prefixes of ``text``, or None."""
        node = self._root
        best = node.rank
        for character in text:
            found = node.children.get(character)
            if found is None:
                break
            node = found
            if node.rank is not None and (best is None or node.rank < best):
                best = node.rank
        return best

"""Facts about a parsed expression: how long its matches are, and what text they all hold."""

from __future__ import annotations

from collections.abc import Iterator

from ptingest.pipeline.logstash.onigmo.tree import (
    Absent,
    At,
    Atomic,
    Back,
    Call,
    Choice,
    Condition,
    Grapheme,
    Group,
    Look,
    Node,
    One,
    Repeat,
    Sequence,
)


def widths(node: Node) -> tuple[int, int | None]:
    """Return the least and the most characters of a match; None is without a bound."""
    if isinstance(node, One):
        return 1, 1
    if isinstance(node, Sequence):
        return _added([widths(part) for part in node.parts])
    if isinstance(node, (Choice, Condition)):
        ways = node.ways if isinstance(node, Choice) else (node.yes, node.no)
        return _either([widths(way) for way in ways])
    if isinstance(node, Repeat):
        least, most = widths(node.body)
        if most == 0 or node.most == 0:
            return 0, 0
        return least * node.least, None if None in (most, node.most) else most * node.most  # type: ignore[operator]
    if isinstance(node, (Group, Atomic)):
        return widths(node.body)
    if isinstance(node, Grapheme):
        return 1, None
    return (0, None) if isinstance(node, (Back, Call, Absent)) else (0, 0)


def _added(some: list[tuple[int, int | None]]) -> tuple[int, int | None]:
    mosts = [most for _, most in some]
    total = None if None in mosts else sum(most or 0 for most in mosts)
    return sum(least for least, _ in some), total


def _either(some: list[tuple[int, int | None]]) -> tuple[int, int | None]:
    mosts = [most for _, most in some]
    longest = None if None in mosts else max(most or 0 for most in mosts)
    return min(least for least, _ in some), longest


def needle(node: Node) -> str:
    """Return the longest text that every match holds; empty when none is known."""
    return max(_texts(node), key=len, default="")


def _texts(node: Node) -> list[str]:
    """Return the texts that every match holds, in pieces."""
    found, text = list[str](), ""
    for part in _flat(node):
        if isinstance(part, One):
            first, last = part.characters[0] if len(part.characters) == 1 else (0, 1)
            if first == last:
                text += chr(first)
                continue
        if isinstance(part, (At, Look)):
            continue
        found.append(text)
        text = ""
        if isinstance(part, Repeat) and part.least:
            found += _texts(part.body)
    return [*found, text]


def _flat(node: Node) -> Iterator[Node]:
    """Yield the parts that must all match, one after another."""
    if isinstance(node, Sequence):
        for part in node.parts:
            yield from _flat(part)
    elif isinstance(node, (Group, Atomic)):
        yield from _flat(node.body)
    else:
        yield node


def nodes(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes inside of it."""
    yield node
    inside: tuple[Node, ...] = ()
    if isinstance(node, Sequence):
        inside = node.parts
    elif isinstance(node, Choice):
        inside = node.ways
    elif isinstance(node, Condition):
        inside = (node.yes, node.no)
    elif isinstance(node, (Repeat, Group, Atomic, Look, Absent)):
        inside = (node.body,)
    for one in inside:
        yield from nodes(one)

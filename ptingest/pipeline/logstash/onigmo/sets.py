"""Sets of characters by the names that Ruby knows, and what differs only in case.

Unicode's properties are asked of the package ``regex``, once for each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from functools import cache

import regex

from ptingest.pipeline.logstash.onigmo.tree import BadRegex
from ptingest.settings.characters import (
    ALL,
    Characters,
    every_character,
    inverted,
    joined,
)

DIGIT: Characters = ((48, 57),)
WORD: Characters = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Characters = ((9, 13), (32, 32))
HEX: Characters = ((48, 57), (65, 70), (97, 102))
NEWLINE: Characters = ((10, 10),)
ASCII: Characters = ((0, 127),)

_LAST_CASED = 0x1E943
"""The last character that has another case."""

_BRACKETS = {
    "alnum": r"\p{Alphabetic}\p{Nd}",
    "alpha": r"\p{Alphabetic}",
    "blank": r"\p{Zs}\t",
    "cntrl": r"\p{Cc}",
    "digit": r"\p{Nd}",
    "graph": r"\P{White_Space}--[\p{Cc}\p{Cs}\p{Cn}]",
    "lower": r"\p{Lowercase}",
    "print": r"[\P{White_Space}\p{Zs}]--[\p{Cc}\p{Cs}\p{Cn}]",
    "punct": r"\p{P}$+<=>\^`|~",
    "space": r"\p{White_Space}",
    "upper": r"\p{Uppercase}",
    "word": r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}",
}


@cache
def bracket(name: str) -> Characters | None:
    """Return the characters of ``[[:name:]]``, None when there is no such name."""
    if name == "xdigit":
        return HEX
    if name == "ascii":
        return ASCII
    written = _BRACKETS.get(name)
    return None if written is None else _matched(f"[{written}]")


@cache
def property_named(name: str) -> Characters:
    r"""Return the characters of ``\p{name}``.

    Raises:
        BadRegex: there is no such property.
    """
    plain = name.lower().translate({32: None, 45: None, 95: None})
    if plain == "any":
        return ALL
    found = bracket(plain)
    if found is not None:
        return found
    if not plain.isalnum():
        raise BadRegex(f"there is no character property {name!r}")
    try:
        return _matched(rf"\p{{{name}}}")
    except regex.error as error:
        raise BadRegex(f"there is no character property {name!r}") from error


def word_of_all() -> Characters:
    r"""Return the characters between which ``\b`` finds edges."""
    found = bracket("word")
    assert found is not None
    return found


@cache
def _matched(expression: str) -> Characters:
    compiled = regex.compile(f"(?V1:{expression}+)")
    return tuple((run.start(), run.end() - 1) for run in compiled.finditer(every_character()))


def without(some: Characters, others: Characters) -> Characters:
    """Return the characters of the first set that are not in the second."""
    return common(some, inverted(others))


def common(left: Characters, right: Characters) -> Characters:
    """Return the characters that are in both sets."""
    return inverted(joined((inverted(left), inverted(right))))


def holds(some: Characters, point: int) -> bool:
    at = bisect_right(some, (point, 0x110000)) - 1
    return at >= 0 and some[at][1] >= point


@cache
def any_case(some: Characters) -> Characters:
    """Return the set with the characters that differ from its own only in case."""
    if some == ALL or not some:
        return some
    more = [group for group in _same_but_for_case() if any(holds(some, point) for point in group)]
    return joined([some, *(tuple((point, point) for point in group) for group in more)])


@cache
def _same_but_for_case() -> tuple[tuple[int, ...], ...]:
    groups: dict[str, list[int]] = defaultdict(list)
    for point in range(_LAST_CASED + 1):
        groups[chr(point).casefold()].append(point)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)

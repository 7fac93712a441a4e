"""Queries built by clicks, and the word at the cursor.

A click adds ``field:value`` with `and`, or removes it; a query with an `or` is put into
parentheses first. Values are quoted as Kibana's language wants them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PLAIN = re.compile(r"(?!(?:and|or|not)$)[\w.@/-]+", re.IGNORECASE | re.ASCII)
_OR = re.compile(r'"(?:\\.|[^"\\])*"|\\.|[()]|\bor\b', re.IGNORECASE | re.DOTALL)
# Each run of blanks is scanned once: quadratic time would block the event loop.
_AND = re.compile(r"(?<!\s)\s+and\s+", re.IGNORECASE)
_VALUE = re.compile(r'(?:^|[\s(])([\w@.-]++)\s*+:\s*+(?:\(\s*+)?("?)([^"()\s]*)$')
_FIELD = re.compile(r"(?:^|[\s(])([\w@.-]*)$")


def clause(field: str, value: str | None, *, is_negated: bool = False) -> str:
    """Return the query for one value of a field; None: for documents without the field."""
    if value is None:
        return f"{field}:*" if is_negated else f"not {field}:*"
    text = f"{field}:{quoted(value)}"
    return f"not {text}" if is_negated else text


def quoted(value: str) -> str:
    """Return a value as a query needs it: as it is, or between quotes."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def added(query: str, one: str) -> str:
    """Return the query with one more clause, which must hold as well."""
    query = query.strip()
    if not query or query == "*":
        return one
    return f"({query}) and {one}" if _says_or(query) else f"{query} and {one}"


def _says_or(query: str) -> bool:
    """Say whether there is an `or` outside of all parentheses and quotes."""
    depth = 0
    for found in _OR.finditer(query):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0].lower() == "or" and depth == 0:
            return True
    return False


def holds(query: str, one: str) -> bool:
    """Tell whether the clause is one that ``without`` can take out."""
    return one in _AND.split(query.strip())


def without(query: str, one: str) -> str:
    """Return the query without a clause that ``added`` has put in."""
    parts = _AND.split(query.strip())
    ands = _AND.findall(query.strip())
    place = parts.index(one)
    del parts[place]
    if not parts:
        return ""
    if ands:
        del ands[max(0, place - 1)]
    joined = "".join(part + word for part, word in zip(parts, [*ands, ""], strict=True))
    # What stood in parentheses only because of us.
    bare = joined[1:-1] if len(parts) == 1 and joined[:1] == "(" and joined[-1:] == ")" else ""
    return bare if bare and not set(bare) & set('()"\\') else joined


class Writing(NamedTuple):
    """The text before the cursor."""

    field: str | None
    """Whose value is being written; None while it is the field's name."""
    start: int
    """Where it begins in the query."""
    beginning: str


def written_at(query: str, at: int) -> Writing | None:
    """Return the word at a position of the query; None inside other text."""
    before = query[: max(0, at)]
    if found := _VALUE.search(before):
        return Writing(found[1], found.start(2), found[3])
    if found := _FIELD.search(before):
        return Writing(None, found.start(1), found[1])
    return None

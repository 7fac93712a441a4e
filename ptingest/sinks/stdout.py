"""How Logstash's output ``stdout`` prints an event: ``rubydebug``, ``json`` or ``json_lines``.

A document's target names the codec. ``rubydebug`` is for people: the names of one object end in
one column, and lists have one element a line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ptingest.model.document import Document

INDENT = 4


def printed(documents: Sequence[Document]) -> bytes:
    """Return what is printed for documents, in order."""
    return b"".join(map(_printed, documents))


def _printed(document: Document) -> bytes:
    match document.target.name:
        case "rubydebug":
            return ruby_debug(json.loads(document.body)).encode() + b"\n"
        case "json":
            return document.body
        case _:
            return document.body + b"\n"


def ruby_debug(value: Any, depth: int = 0) -> str:
    """Return a value as ``rubydebug`` shows it; ``depth`` is how far it stands to the right."""
    if isinstance(value, dict):
        return _hash(value, depth)
    if isinstance(value, list):
        return _list(value, depth)
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _hash(value: dict[str, Any], depth: int) -> str:
    if not value:
        return "{}"
    names = {name: json.dumps(name, ensure_ascii=False) for name in value}
    width = max(map(len, names.values())) + depth + INDENT
    rows = [f"{names[name]:>{width}} => {_member(name, one, depth)}" for name, one in value.items()]
    return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"


def _member(name: str, value: Any, depth: int) -> str:
    # The time is no text in Logstash, so it has no quotes.
    if name == "@timestamp" and depth == 0:
        return str(value)
    return ruby_debug(value, depth + INDENT)


def _list(value: list[Any], depth: int) -> str:
    if not value:
        return "[]"
    width = len(str(len(value) - 1))
    inner = " " * (depth + INDENT)
    rows = [
        f"{inner}[{number:>{width}}] {ruby_debug(one, depth + INDENT)}"
        for number, one in enumerate(value)
    ]
    return "[\n" + ",\n".join(rows) + "\n" + " " * depth + "]"

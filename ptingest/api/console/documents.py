"""Documents as rows and cells: text of events, for a page or for a file.

Nothing here is markup, and nothing in a CSV file is a formula: what a spreadsheet would
compute is given an apostrophe. A column of a file holds the field of its name and nothing else.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ptingest.kql.fields import value_of
from ptingest.model.explore import Hit

DEFAULT_COLUMNS = ("log_level", "service", "logger_name", "message")
OWN_FIELDS = (
    "log_level", "service", "logger_name", "stream", "app_module", "log_timestamp", "log_ms",
    "group", "host.name", "log.file.path", "tags",
)  # fmt: skip
"""What the pipeline finds in a line and where the line came from: shown first, in this order."""
COLUMNS_MOST = 20
DEPTH_MOST = 32
"""Dots in a field's name."""
TOO_DEEP = "nested too deeply to be shown"
_NAME = re.compile(r"@?[A-Za-z_][\w.-]*", re.ASCII)
"""A field's name, which no spreadsheet computes: a formula that begins so has parentheses."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet compute a cell, in its wide forms too."""


def columns_of(text: str | None) -> list[str]:
    """Return the columns named in an address, the default ones where none is."""
    if text is None:
        return list(DEFAULT_COLUMNS)
    names = dict.fromkeys(name.strip() for name in text.split(","))
    return [name for name in names if name][:COLUMNS_MOST] or list(DEFAULT_COLUMNS)


def body_of(hit: Hit) -> dict[str, Any]:
    """Return the document; what is not an object has no fields."""
    body = _decoded(hit.body)
    return body if isinstance(body, dict) else {}


def _decoded(body: str) -> Any:
    """Return what JSON says, its numbers exactly; None where it is none, or nested too deeply."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def text_of(value: Any) -> str:
    """Return a value as text: a text itself, nothing for null, else JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _written(value)


def _written(value: Any, *, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    except RecursionError:
        return TOO_DEEP


def cell(hit: Hit, body: dict[str, Any], name: str) -> str:
    """Return what a page shows of a field; a message without what was parsed out of it."""
    if name == "message":
        return message_of(body)
    return value_text(hit, body, name)


def value_text(hit: Hit, body: dict[str, Any], name: str) -> str:
    """Return a field's value as text; ``_id`` and ``_index`` are those of the document."""
    if name == "_id":
        return hit.key or ""
    if name == "_index":
        return hit.data_stream
    return text_of(value_of(body, name))


def fields_of(body: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return every field with its dotted name, in order; lists stay whole, and so does
    what lies too deep."""
    found: list[tuple[str, Any]] = []
    for key, value in body.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and value and name.count(".") < DEPTH_MOST:
            found += fields_of(value, f"{name}.")
        else:
            found.append((name, value))
    return sorted(found) if not before else found


def message_of(body: dict[str, Any]) -> str:
    """Return a document's message with its traceback, without what was parsed out of it."""
    return text_of(body.get("log_message") or body.get("message"))


class ShownField(NamedTuple):
    """One field of a document, as its page shows it."""

    name: str
    value: Any
    text: str
    repeats_message: bool
    """The text goes on with the message, which is not shown again."""


def shown_fields(body: dict[str, Any], message: str) -> tuple[list[ShownField], list[ShownField]]:
    """Return the fields the pipeline has found, and the others; none repeats ``message``."""
    fields = [_shown(name, value, message) for name, value in fields_of(body)]
    own = [one for one in fields if one.name in OWN_FIELDS]
    own.sort(key=lambda one: OWN_FIELDS.index(one.name))
    return own, [one for one in fields if one.name not in OWN_FIELDS]


def _shown(name: str, value: Any, message: str) -> ShownField:
    text = text_of(value)
    if isinstance(value, str) and message and text.endswith(message) and name not in OWN_FIELDS:
        return ShownField(name, value, text[: len(text) - len(message)], repeats_message=True)
    return ShownField(name, value, text, repeats_message=False)


def pretty(body: str) -> str:
    """Return a document's JSON, indented."""
    value = _decoded(body)
    return body if value is None else _written(value, indent=2)


def csv_header(names: Sequence[str]) -> bytes:
    """Return the first line of a CSV file; the names of fields stay as they are."""
    return _csv([[one if _NAME.fullmatch(one) else harmless(one) for one in names]])


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as CSV, as RFC 4180 has it; no cell is a formula."""
    return _csv([[harmless(one) for one in row] for row in rows])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def harmless(text: str) -> str:
    """Return a cell that no spreadsheet computes."""
    return f"'{text}" if text.startswith(FORMULA) else text

"""Untrusted text on the terminal: the text of an event must never control the terminal.

A terminal executes escape sequences, C1 controls and marks that change the reading order. Here
every character that is not printable is replaced; in lines by a visible form, in JSON by an
escape with the same value.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import click

_LEVEL_COLOURS = {
    "CRITICAL": "magenta",
    "ERROR": "red",
    "WARNING": "yellow",
    "INFO": "green",
    "DEBUG": "blue",
}


TEXT_INDENT = "    "
"""Before each further line of a message, so that none can pass for a document's first line."""


def document_text(document: Mapping[str, Any], otherwise: str) -> str:
    """Return the document for people: a line, and one more for each further line of its message.

    ``otherwise`` is used if the document has no service. click removes the colours if the output
    is not a terminal; the document's text is escaped.
    """
    level = _text(document.get("log_level")) or "-"
    parts = [
        click.style(_text(document.get("@timestamp")) or "-", dim=True),
        click.style(f"{level:<8}", fg=_LEVEL_COLOURS.get(level)),
        click.style(_text(document.get("service")) or visible(otherwise), fg="cyan"),
    ]
    logger = _text(document.get("logger_name"))
    if logger:
        parts.append(click.style(logger, bold=True))
    first, *rest = _lines(document.get("log_message") or document.get("message"))
    return "\n".join([" ".join([*parts, first]), *(f"{TEXT_INDENT}{line}" for line in rest)])


def _lines(value: Any) -> list[str]:
    """The lines of a message, without empty ones at its end."""
    if not isinstance(value, str):
        return [_text(value)]
    lines = [visible(line.removesuffix("\r")) for line in value.rstrip("\r\n").split("\n")]
    return lines or [""]


def _text(value: Any) -> str:
    import msgspec

    if value is None:
        return ""
    return visible(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def one_line(value: bytes) -> bytes:
    """Return the same JSON value, UTF-8 without a newline, as one line with its newline."""
    # Many readers (Python's `splitlines` among them) end a line at U+0085, U+2028 or U+2029,
    # which JSON lets stand unescaped, as it does what commands a terminal.
    if not value.isascii() or b"\x7f" in value:
        value = visible_json(value.decode("utf-8", "replace")).encode()
    # In valid JSON a carriage return stands between tokens only.
    return value.replace(b"\r", b" ") + b"\n"


def write_json_line(value: bytes) -> None:
    """Write one value to standard output, now: the reader may be waiting for it."""
    sys.stdout.buffer.write(one_line(value))
    sys.stdout.buffer.flush()


_SHOWN = {"\n": "⏎", "\t": " ", "\r": ""}
_UNPRINTABLE_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    "|[\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Return text as one line of printable characters."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _SHOWN.get(character, "\N{REPLACEMENT CHARACTER}")
        for character in text
    )


def visible_lines(text: str) -> str:
    """Return the text with its line breaks, and only printable characters in each line."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def escaped(text: str) -> str:
    """Return text as one line, what is not printable spelled as in Python: ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_json(text: str) -> str:
    """Return JSON of the same value with what is not printable spelled as escapes.

    Below U+0020 valid JSON holds only line ends and tabs, between its tokens; anything else
    there is not JSON and is made visible.
    """
    text = _UNPRINTABLE_IN_JSON.sub(_units, text)
    return "".join(
        character if character >= " " or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _units(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

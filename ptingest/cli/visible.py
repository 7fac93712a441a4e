"""Text of others on our terminal: what an event holds must never command the terminal.

A terminal obeys escape sequences, C1 controls and marks that turn the reading order round.
Everything that is no printable character is shown as something else here; that goes for
lines as for JSON, where the same value can be spelled with an escape.
"""

from __future__ import annotations

import re

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
    """Return text with its lines kept, each of printable characters."""
    return text if text.isprintable() else "\n".join(map(visible, text.split("\n")))


def escaped(text: str) -> str:
    """Return text as one line, what is not printable spelled as in Python: ``\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_json(text: str) -> str:
    """Return JSON of the same value with what is not printable spelled as escapes.

    Below U+0020 valid JSON holds only line ends and tabs, between its tokens; anything else
    there is no JSON and is made visible.
    """
    text = _UNPRINTABLE_IN_JSON.sub(_units, text)
    return "".join(
        character if character >= " " or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _units(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

"""The shape of a line that no pattern matches, without its content. Pure.

    127.0.0.1 - - [02/Jan/2025:03:04:05 +0000] "GET /parcels/42 HTTP/1.1" 200
    0.0.0.0 - - [0/a/0:0:0:0 +0] "a" 0

Runs of letters become `a`, runs of digits `0`, what stands between quotes `"a"`, identifiers
`0a`: no customer data is left, and lines of one kind look alike. This is for people who ask why
parsing fails, never for events: it takes some dozens of microseconds a line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ptingest.pipeline.patterns import INT, TIMESTAMP, WORD, matcher
from ptingest.settings.packaged_patterns import packaged_patterns
from ptingest.settings.profile import LINE_PIECE, PatternSettings

LOOKED_AT = 2000
"""Characters of a message that are read; they decide shape and nearest pattern."""
SHOWN = 100
OFF = "switched off in the profile"
"""What a packaged pattern lacks that fits."""

_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_OTHERS = re.compile(r"[^\x20-\x7e]")
_WORDS = re.compile(r"(?: a){3,}")
_STEPS = re.compile(r"(?:/a){3,}")
_QUOTED = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_IDENTIFIER = re.compile(r"(?:[a0]+-){4}[a0]+|\b[a0]{3,}\b")
_EXPRESSIONS = {"word": WORD, "int": INT, "timestamp": TIMESTAMP}


def shape(message: str) -> str:
    """Return the masked first line, cut, and whether more lines follow."""
    line, newline, _ = message[:LOOKED_AT].partition("\n")
    masked = _QUOTED.sub(_masked_quote, _DIGITS.sub("0", _LETTERS.sub("a", line)))
    masked = _IDENTIFIER.sub("0a", masked)
    masked = _OTHERS.sub("?", _STEPS.sub("/a/a", _WORDS.sub(" a a", masked)))
    cut = masked if len(masked) <= SHOWN else f"{masked[:SHOWN]}..."
    return f"{cut} (and more lines)" if newline else cut


def _masked_quote(found: re.Match[str]) -> str:
    # A dash, or nothing, says that there is no value, which is worth seeing.
    return found[0] if found[1] in ("", "-") else '"a"'


class Near(NamedTuple):
    """The pattern that came closest, and the first of its pieces that was not found."""

    pattern: str
    missing: str
    is_off: bool = False
    """It is packaged and fits, but the profile does not name it."""


class _Piece(NamedTuple):
    expression: str
    label: str


class _Stretch(NamedTuple):
    """Pieces that follow each other directly, with one expression for each number of them."""

    labels: tuple[str, ...]
    prefixes: tuple[re.Pattern[str], ...]


class Nearness:
    """The line patterns of a group, with how far each one matches a line."""

    def __init__(self, patterns: Sequence[PatternSettings], *, with_packaged: bool = False) -> None:
        """``with_packaged``: a packaged pattern that is switched off may be the nearest."""
        self._patterns = [
            (pattern.name, _stretches(pattern.line)) for pattern in patterns if pattern.line
        ]
        on = {pattern.name for pattern in patterns}
        packaged = packaged_patterns() if with_packaged else {}
        off = (row for name, row in packaged.items() if name not in on)
        self._off = [
            (pattern.name, matcher(pattern, is_strict=False))
            for pattern in map(PatternSettings.model_validate, off)
        ]

    def nearest(self, message: str) -> Near | None:
        """Return the pattern of which most pieces are found; among equals the first."""
        for name, off in self._off:
            if len(message) <= LOOKED_AT and off.match(message) is not None:
                return Near(name, OFF, True)
        message = message[:LOOKED_AT]
        best: tuple[int, Near | None] = (-1, None)
        for name, stretches in self._patterns:
            found, missing = _reach(stretches, message)
            if found > best[0]:
                best = (found, Near(name, missing))
        return best[1]


def _reach(stretches: Sequence[_Stretch], message: str) -> tuple[int, str]:
    """Return how many pieces were found in order, and the one that was not."""
    total = position = 0
    for stretch in stretches:
        for count in range(len(stretch.prefixes), -1, -1):
            found = stretch.prefixes[count - 1].search(message, position) if count else None
            if count == 0 or found is not None:
                break
        total += count
        if count < len(stretch.labels):
            return total, stretch.labels[count]
        assert found is not None
        position = found.end()
    return total, ""


def _stretches(line: str) -> list[_Stretch]:
    """Split a line pattern at each {data}."""
    tokens = LINE_PIECE.split(line)
    runs: list[list[_Piece]] = [_texts(tokens[0])]
    for position in range(1, len(tokens), 3):
        kind, field, text = tokens[position : position + 3]
        if kind == "data":
            runs.append(_texts(text))
        elif kind != "rest":
            runs[-1] += [_Piece(f"(?:{_EXPRESSIONS[kind]})", f"{{{kind}:{field}}}"), *_texts(text)]
    return [_stretch(run, is_head=number == 0) for number, run in enumerate(runs)]


def _texts(text: str) -> list[_Piece]:
    return [_Piece(re.escape(text), f"`{text}`")] if text else []


def _stretch(run: Sequence[_Piece], *, is_head: bool) -> _Stretch:
    opening = "^" if is_head else ""
    expressions = [piece.expression for piece in run]
    prefixes = [
        re.compile(opening + "".join(expressions[:count]), re.MULTILINE)
        for count in range(1, len(run) + 1)
    ]
    return _Stretch(tuple(piece.label for piece in run), tuple(prefixes))

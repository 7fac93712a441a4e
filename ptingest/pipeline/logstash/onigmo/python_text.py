"""Writes a parsed expression for Python's engines: the modules ``re`` and ``regex``.

Groups keep their numbers and are called ``g1``, ``g2`` and so on. The text holds no class such as
``\\w`` and no option that changes one, since the engines differ there, but the characters
themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ptingest.pipeline.logstash.onigmo import sets
from ptingest.pipeline.logstash.onigmo.facts import nodes, widths
from ptingest.pipeline.logstash.onigmo.tree import (
    Absent,
    At,
    Atomic,
    Back,
    BadRegex,
    Call,
    Choice,
    Condition,
    Grapheme,
    Group,
    Look,
    Mode,
    Node,
    One,
    Parsed,
    Place,
    Repeat,
    Sequence,
)
from ptingest.settings.characters import ALL, LAST, Characters, inverted

_ANY = "(?s:.)"
_COPIES_MOST = 4
"""Repetitions that a relaxed expression counts."""
_LINE_START_BEFORE_TEXT = "(?m:^)"
# Ruby's ^ is not at the end of a text that ends in a newline; Python's is.
_LINE_START = r"(?m:^)(?!(?<=\n)\Z)"
_PLACES = {
    Place.LINE_END: "(?m:$)",
    Place.TEXT_START: r"\A",
    Place.TEXT_END: r"\Z",
    Place.LAST_LINE_END: "$",
    Place.WORD_EDGE: r"\b",
    Place.NO_WORD_EDGE: r"(?!\b)",  # Python's own \B is not in an empty text before 3.14
    Place.SEARCH_START: r"\G",
    Place.KEEP: r"\K",
}
_LOOKS = {(False, False): "?=", (False, True): "?!", (True, False): "?<=", (True, True): "?<!"}


class Written(NamedTuple):
    """An expression for Python."""

    text: str
    needs_regex: bool
    """``re`` cannot run it, the package ``regex`` can."""


def has_word_edges(parsed: Parsed) -> bool:
    edges = (Place.WORD_EDGE, Place.NO_WORD_EDGE)
    return any(isinstance(node, At) and node.place in edges for node in nodes(parsed.root))


def write(parsed: Parsed, *, spells_words: bool) -> Written:
    """Write the expression with the same meaning.

    ``spells_words``: the edges of words are written out, for texts with characters that Python
    and Ruby take differently: a combining accent is part of a word in Ruby alone.

    Raises:
        BadRegex: there is no text with the same meaning.
    """
    writer = _Writer(spells_words=spells_words)
    text = writer.text(parsed.root, takes_more=False)
    return Written(text, writer.needs_regex)


def write_relaxed(parsed: Parsed, *, spells_words: bool) -> str:
    """Write an expression that matches wherever this one does, and possibly elsewhere.

    It has no groups, and only what RE2 can run.
    """
    return _RelaxedWriter(spells_words=spells_words).text(parsed.root, takes_more=False)


class _Writer:
    def __init__(self, *, spells_words: bool) -> None:
        self.needs_regex = False
        self._spells_words = spells_words

    def text(self, node: Node, *, takes_more: bool) -> str:
        """Return the text; ``takes_more``: what follows takes at least one character."""
        if isinstance(node, One):
            return written_set(node.characters)
        if isinstance(node, Sequence):
            return self._sequence(node, takes_more)
        if isinstance(node, Choice):
            return "|".join(self.text(way, takes_more=takes_more) for way in node.ways)
        if isinstance(node, Repeat):
            return self._repeat(node)
        if isinstance(node, At):
            return self.place(node.place, takes_more)
        if isinstance(node, Group):
            return self.group(node, self.text(node.body, takes_more=takes_more))
        return self.special(node)

    def _sequence(self, node: Sequence, takes_more: bool) -> str:
        texts = []
        for part in reversed(node.parts):
            text = self.text(part, takes_more=takes_more)
            texts.append(f"(?:{text})" if isinstance(part, Choice) else text)
            takes_more = takes_more or widths(part)[0] > 0
        return "".join(reversed(texts))

    def _repeat(self, node: Repeat) -> str:
        body = self.text(node.body, takes_more=False)
        if not isinstance(node.body, (One, Group)):
            body = f"(?:{body})"
        return body + self.often(node.least, node.most) + self.mode(node.mode)

    def often(self, least: int, most: int | None) -> str:
        return _often(least, most)

    def mode(self, mode: Mode) -> str:
        return mode.value

    def group(self, node: Group, body: str) -> str:
        return f"(?P<g{node.number}>{body})"

    def place(self, place: Place, takes_more: bool) -> str:
        if place is Place.LINE_START:
            return _LINE_START_BEFORE_TEXT if takes_more else _LINE_START
        if place in (Place.SEARCH_START, Place.KEEP):
            self.needs_regex = True
        if self._spells_words and place in (Place.WORD_EDGE, Place.NO_WORD_EDGE):
            word = written_set(sets.word_of_all())
            if place is Place.WORD_EDGE:
                return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
            return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"
        return _PLACES[place]

    def special(self, node: Node) -> str:
        if isinstance(node, Atomic):
            return f"(?>{self.text(node.body, takes_more=False)})"
        if isinstance(node, Look):
            return self._look(node)
        if isinstance(node, Back):
            return self._back(node)
        if isinstance(node, Condition):
            yes = _way(node.yes, self.text(node.yes, takes_more=False))
            no = _way(node.no, self.text(node.no, takes_more=False))
            return f"(?(g{node.number}){yes}|{no})"
        if isinstance(node, Absent):
            return self._absent(node)
        self.needs_regex = True
        if isinstance(node, Grapheme):
            return r"\X"
        assert isinstance(node, Call)
        return f"(?{node.number})"

    def _look(self, node: Look) -> str:
        opening = _LOOKS[node.is_behind, node.is_negative]
        if not node.is_behind:
            return f"({opening}{self.text(node.body, takes_more=False)})"
        ways = node.body.ways if isinstance(node.body, Choice) else (node.body,)
        for way in ways:
            least, most = widths(way)
            if least != most:
                raise BadRegex("invalid pattern in look-behind: its length varies")
        looks = [f"({opening}{self.text(way, takes_more=False)})" for way in ways]
        return "".join(looks) if node.is_negative else f"(?:{'|'.join(looks)})"

    def _back(self, node: Back) -> str:
        backs = [f"(?P=g{number})" for number in reversed(node.numbers)]
        text = backs[0] if len(backs) == 1 else f"(?>{'|'.join(backs)})"
        return f"(?i:{text})" if node.ignores_case else text

    def _absent(self, node: Absent) -> str:
        least, most = widths(node.body)
        if least != most or not least:
            raise BadRegex(
                "(?~...) is supported for a text of one length: write (?:(?!...).)* for another",
                is_unsupported=True,
            )
        body = self.text(node.body, takes_more=False)
        # The end of the text may be the beginning of a longer one that is not allowed.
        return f"(?:(?:(?!{body}){_ANY})*{_ANY}{{0,{least - 1}}})"


class _RelaxedWriter(_Writer):
    def often(self, least: int, most: int | None) -> str:
        # RE2 copies the body for each repetition.
        is_long = most is not None and most > _COPIES_MOST
        return _often(min(least, _COPIES_MOST), None if is_long else most)

    def group(self, node: Group, body: str) -> str:  # noqa: ARG002 - as in the base
        return f"(?:{body})"

    def mode(self, mode: Mode) -> str:
        return "?" if mode is Mode.LAZY else ""

    def place(self, place: Place, takes_more: bool) -> str:  # noqa: ARG002 - as in the base
        if place is Place.LINE_START:
            return _LINE_START_BEFORE_TEXT
        if place is Place.WORD_EDGE and not self._spells_words:
            return _PLACES[place]
        kept = (Place.LINE_END, Place.TEXT_START, Place.TEXT_END)
        return _PLACES[place] if place in kept else ""

    def special(self, node: Node) -> str:
        if isinstance(node, Atomic):
            return f"(?:{self.text(node.body, takes_more=False)})"
        if isinstance(node, Look):
            return ""
        if isinstance(node, Condition):
            ways = [self.text(way, takes_more=False) for way in (node.yes, node.no)]
            return f"(?:{'|'.join(ways)})"
        return f"{_ANY}*"


def _way(node: Node, text: str) -> str:
    return f"(?:{text})" if isinstance(node, Choice) else text


def _often(least: int, most: int | None) -> str:
    plain = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    if plain is not None:
        return plain
    return f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"


def written_set(some: Characters) -> str:
    """Return a set as Python writes it."""
    if some == ALL:
        return _ANY
    if some == inverted(sets.NEWLINE):
        return "."
    if len(some) == 1 and some[0][0] == some[0][1]:
        return _character(some[0][0])
    if not some:
        return r"(?!)"
    if some[-1][1] == LAST:
        return f"[^{_ranges(inverted(some))}]"
    return f"[{_ranges(some)}]"


def _ranges(some: Characters) -> str:
    return "".join(
        _character(first) if first == last else f"{_character(first)}-{_character(last)}"
        for first, last in some
    )


def _character(point: int) -> str:
    if point > 0xFFFF:
        return f"\\U{point:08x}"
    if point > 126:
        return f"\\u{point:04x}"
    return re.escape(chr(point)) if point > 31 else f"\\x{point:02x}"

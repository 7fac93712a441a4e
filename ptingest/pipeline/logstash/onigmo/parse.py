"""Reads a regular expression in Ruby's syntax.

    parse(text) --> Parsed     or BadRegex, in the words of Joni where it refuses, too

Nothing is left out silently: what has no node in ``tree`` is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ptingest.pipeline.logstash.onigmo import sets
from ptingest.pipeline.logstash.onigmo.brackets import Brackets
from ptingest.pipeline.logstash.onigmo.escapes import Escapes
from ptingest.pipeline.logstash.onigmo.tree import (
    EMPTY,
    Absent,
    At,
    Atomic,
    BadRegex,
    Call,
    Choice,
    Condition,
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
from ptingest.settings.characters import ALL, inverted

_REPEAT_MOST = 100_000
_DEPTH_MOST = 80
"""Groups inside of groups; Python's own parser takes not many more."""
_LOOKS = {
    "?=": (False, False),
    "?!": (False, True),
    "?<=": (True, False),
    "?<!": (True, True),
}


def parse(text: str, *, dot_takes_newline: bool = False) -> Parsed:
    """Parse an expression.

    Raises:
        BadRegex: it is refused.
    """
    names = _Parser(text, {}, dot_takes_newline=dot_takes_newline).names_only()
    parser = _Parser(text, names, dot_takes_newline=dot_takes_newline)
    return parser.whole()


@dataclass(frozen=True, slots=True)
class _Options:
    ignores_case: bool = False
    dot_takes_newline: bool = False
    is_spaced: bool = False
    """White space and comments are no part of the expression: ``(?x)``."""
    letters: str = "d"
    """Which characters the classes know: d (Ruby's), a (ASCII) or u (Unicode)."""


class _Parser:
    def __init__(
        self, text: str, names: dict[str, tuple[int, ...]], *, dot_takes_newline: bool
    ) -> None:
        self.text, self.at = text, 0
        self._names = names
        self._found: dict[str, tuple[int, ...]] = {}
        self._groups = 0
        self._depth = 0
        self._first = _Options(dot_takes_newline=dot_takes_newline)
        self._escapes = Escapes(self, names)
        self._brackets = Brackets(self, self._escapes)
        self._is_first_pass = False
        self._calls: list[Call] = []

    def names_only(self) -> dict[str, tuple[int, ...]]:
        self._is_first_pass = self._escapes.is_lenient = True
        self._all()
        return self._found

    def whole(self) -> Parsed:
        root = self._all()
        for number in self._escapes.numbers:
            if number > self._groups:
                raise BadRegex(f"invalid backref number/name: there is no group {number}")
        return Parsed(root, self._groups, self._found)

    def _all(self) -> Node:
        root = self._choice(self._first)
        if self.at < len(self.text):
            raise BadRegex("unmatched close parenthesis")
        return root

    # -- what Escapes and Brackets use, too

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def next(self, what: str) -> str:
        if self.at >= len(self.text):
            raise BadRegex(f"{what} is not finished at the end of the expression")
        self.at += 1
        return self.text[self.at - 1]

    def until(self, end: str, what: str) -> str:
        stop = self.text.find(end, self.at)
        if stop < 0:
            raise BadRegex(f"{what} is not finished at the end of the expression")
        found, self.at = self.text[self.at : stop], stop + len(end)
        return found

    # -- the grammar

    def _choice(self, options: _Options) -> Node:
        self._depth += 1
        if self._depth > _DEPTH_MOST:
            raise BadRegex(f"more than {_DEPTH_MOST} groups inside of each other")
        ways = [self._sequence(options)]
        while self.take("|"):
            ways.append(self._sequence(options))
        self._depth -= 1
        return ways[0] if len(ways) == 1 else Choice(tuple(ways))

    def _sequence(self, options: _Options) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if options.is_spaced and self._skipped():
                continue
            if self.take("(?#"):
                self.until(")", "a comment (?#")
                continue
            isolated = self._isolated_options(options)
            if isolated is not None:
                # Ruby reads a(?i)b|c as a(?i:b|c).
                parts.append(self._choice(isolated))
                break
            parts.append(self._repeated(self._atom(options), options))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _skipped(self) -> bool:
        if self.text[self.at] in " \t\n\r\f\v":
            self.at += 1
            return True
        if self.take("#"):
            stop = self.text.find("\n", self.at)
            self.at = len(self.text) if stop < 0 else stop + 1
            return True
        return False

    def _isolated_options(self, options: _Options) -> _Options | None:
        if not self.peek("(?"):
            return None
        stop = self.at + 2
        while stop < len(self.text) and self.text[stop] in "imxadu-":
            stop += 1
        if stop == self.at + 2 or stop >= len(self.text) or self.text[stop] != ")":
            return None
        letters, self.at = self.text[self.at + 2 : stop], stop + 1
        return _with_letters(options, letters)

    def _atom(self, options: _Options) -> Node:
        character = self.text[self.at]
        if character == "(":
            return self._group(options)
        self.at += 1
        if character == "[":
            return One(self._brackets.read(options.ignores_case, options.letters))
        if character == "\\":
            return self._escapes.read(options.ignores_case, options.letters)
        if character == ".":
            return One(ALL if options.dot_takes_newline else inverted(sets.NEWLINE))
        if character == "^":
            return At(Place.LINE_START)
        if character == "$":
            return At(Place.LINE_END)
        if character in "*+?":
            raise BadRegex("target of repeat operator is not specified")
        point = ((ord(character), ord(character)),)
        return One(sets.any_case(point) if options.ignores_case else point)

    def _group(self, options: _Options) -> Node:
        self.at += 1
        if not self.take("?"):
            return self._captured(None, options)
        self.at -= 1
        for opening, (is_behind, is_negative) in _LOOKS.items():
            if self.take(opening):
                return Look(self._inside(options), is_behind, is_negative)
        if self.take("?>"):
            return Atomic(self._inside(options))
        if self.take("?~"):
            return Absent(self._inside(options))
        if self.take("?("):
            return self._condition(options)
        return self._named_or_set(options)

    def _named_or_set(self, options: _Options) -> Node:
        """Read a group with a name, or one with options of its own, such as ``(?:`` or ``(?i:``."""
        if self.take("?:"):
            return self._inside(options)
        for opening, closing in (("?<", ">"), ("?'", "'")):
            if self.take(opening):
                return self._captured(self.until(closing, "the name of a group"), options)
        self.at += 1
        stop = self.text.find(":", self.at)
        letters, self.at = self.text[self.at : max(stop, self.at)], stop + 1
        if not letters or letters.strip("imxadu-"):
            raise BadRegex("undefined group option")
        return self._inside(_with_letters(options, letters))

    def _inside(self, options: _Options) -> Node:
        found = self._choice(options)
        if not self.take(")"):
            raise BadRegex("end pattern with unmatched parenthesis")
        return found

    def _captured(self, name: str | None, options: _Options) -> Node:
        if name is None and self._names:
            return self._inside(options)
        if name is not None and (not name or name[0].isdigit() or ")" in name):
            raise BadRegex(f"invalid group name <{name}>")
        self._groups += 1
        number = self._groups
        if name is not None:
            self._found[name] = (*self._found.get(name, ()), number)
        return Group(number, self._inside(options))

    def _condition(self, options: _Options) -> Node:
        name = self.until(")", "a condition (?(")
        if name[:1] + name[-1:] in ("<>", "''") and len(name) > 2:
            name = name[1:-1]
        numbers = self._escapes.numbers_of(name)
        inside = self._inside(options)
        ways = inside.ways if isinstance(inside, Choice) else (inside, EMPTY)
        if len(ways) > 2:
            raise BadRegex("invalid conditional pattern")
        return Condition(numbers[0] if numbers else 0, ways[0], ways[1])

    # -- repeats

    def _repeated(self, body: Node, options: _Options) -> Node:
        while self.at < len(self.text):
            if options.is_spaced and self._skipped():
                continue
            character = self.text[self.at]
            if character in "*+?":
                self.at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
                mode = self._mode(is_interval=False)
            elif character == "{" and (bounds := self._interval()) is not None:
                least, most = bounds
                mode = self._mode(is_interval=True)
            else:
                break
            body = Repeat(body, least, most, mode)
        return body

    def _mode(self, *, is_interval: bool) -> Mode:
        if self.take("?"):
            return Mode.LAZY
        # A + after {1,2} repeats the repeat, and is not possessive.
        if not is_interval and self.take("+"):
            return Mode.POSSESSIVE
        return Mode.GREEDY

    def _interval(self) -> tuple[int, int | None] | None:
        """Read ``{1,2}``; None when the brace is a plain character."""
        stop = self.text.find("}", self.at)
        if stop < 0:
            return None
        first, comma, second = self.text[self.at + 1 : stop].partition(",")
        if not _is_number(first) or not _is_number(second) or not (first or second):
            return None
        least = int(first or 0)
        most = (int(second) if second else None) if comma else least
        if max(least, most or 0) > _REPEAT_MOST:
            raise BadRegex("too big number in a repeat range")
        if most is not None and most < least:
            raise BadRegex("a repeat range ends before it begins")
        self.at = stop + 1
        return least, most


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) < 10)


def _with_letters(options: _Options, letters: str) -> _Options:
    added, _, removed = letters.partition("-")
    for letter in "imx":
        if letter in added or letter in removed:
            is_on = letter not in removed
            if letter == "i":
                options = replace(options, ignores_case=is_on)
            elif letter == "m":
                options = replace(options, dot_takes_newline=is_on)
            else:
                options = replace(options, is_spaced=is_on)
    for letter in added:
        if letter in "adu":
            options = replace(options, letters=letter)
    return options

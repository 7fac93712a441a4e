r"""Reads what follows a backslash: ``\d``, ``\x41``, ``\k<name>``, ``\p{L}``."""

from __future__ import annotations

from typing import Protocol

from ptingest.pipeline.logstash.onigmo import sets
from ptingest.pipeline.logstash.onigmo.tree import (
    EMPTY,
    At,
    Atomic,
    Back,
    BadRegex,
    Call,
    Choice,
    Grapheme,
    Node,
    One,
    Place,
    Sequence,
)
from ptingest.settings.characters import Characters, inverted

_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "v": 11, "a": 7, "e": 27}
_PLACES = {
    "A": Place.TEXT_START,
    "z": Place.TEXT_END,
    "Z": Place.LAST_LINE_END,
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
    "G": Place.SEARCH_START,
    "K": Place.KEEP,
}
_CLASSES = {"d": sets.DIGIT, "w": sets.WORD, "s": sets.SPACE, "h": sets.HEX}
_UNICODE = {"d": "digit", "w": "word", "s": "space"}
_LINE_END = Atomic(
    Choice(
        (
            Sequence((One(((13, 13),)), One(((10, 10),)))),
            One(((10, 13), (0x85, 0x85), (0x2028, 0x2029))),
        )
    )
)


class Reader(Protocol):
    """Where the parser is in the text."""

    text: str
    at: int

    def take(self, text: str) -> bool: ...

    def next(self, what: str) -> str: ...

    def until(self, end: str, what: str) -> str: ...


class Escapes:
    """Reads escapes; the backslash is behind it."""

    def __init__(self, reader: Reader, names: dict[str, tuple[int, ...]]) -> None:
        self._reader, self._names = reader, names
        self.is_lenient = False
        """The names of the groups are not known yet."""
        self.numbers: set[int] = set()
        """Groups that are referred to by number."""

    def read(self, ignores_case: bool, letters: str) -> Node:
        """Read an escape outside of brackets."""
        reader = self._reader
        letter = reader.next("an escape")
        if letter in _PLACES:
            return At(_PLACES[letter])
        if letter == "R":
            return _LINE_END
        if letter == "X":
            return Grapheme()
        if letter in "kg":
            named = self._reference(letter, ignores_case)
            if named is not None:
                return named
        if letter in "123456789":
            back = self._numbered(letter, ignores_case)
            if back is not None:
                return back
        found = self.class_of(letter, letters)
        if found is not None:
            return One(found)
        point = self.point(letter)
        single = ((point, point),)
        return One(sets.any_case(single) if ignores_case else single)

    def class_of(self, letter: str, letters: str) -> Characters | None:
        r"""Return the set of ``\d``, ``\W``, ``\p{L}`` and so on; None for other letters."""
        if letter.lower() in _CLASSES:
            known = letters == "u" and letter.lower() in _UNICODE
            found = (
                sets.property_named(_UNICODE[letter.lower()]) if known else _CLASSES[letter.lower()]
            )
            return inverted(found) if letter.isupper() else found
        if letter in "pP" and self._reader.take("{"):
            if letter == "P":
                raise BadRegex(r"\P{...} is refused by JRuby's engine: write \p{^...}")
            name = self._reader.until("}", "a character property")
            if name.startswith("^"):
                return inverted(sets.property_named(name[1:]))
            return sets.property_named(name)
        return None

    def point(self, letter: str) -> int:
        """Return the code point of an escaped character."""
        reader = self._reader
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x":
            return self._byte(self._digits(2, 16))
        if letter == "u":
            if reader.take("{"):
                return _code_point(reader.until("}", r"\u{"))
            return _code_point(self._digits(4, 16))
        if letter in "01234567":
            reader.at -= 1
            return self._byte(self._digits(3, 8), base=8)
        if letter == "c":
            return ord(reader.next("a control character")) & 0x1F
        if letter == "C" and reader.take("-"):
            return ord(reader.next("a control character")) & 0x1F
        if letter == "M" and reader.take("-"):
            raise BadRegex("a meta character is no text in UTF-8")
        return ord(letter)

    def numbers_of(self, name: str) -> tuple[int, ...]:
        """Return the groups that a name or number stands for."""
        if name.lstrip("-+").isdigit():
            if self._names:
                raise BadRegex("numbered backref/call is not allowed. (use name)")
            if not name.isdigit():
                raise BadRegex(f"a relative group number {name} is not supported: write the number")
            self.numbers.add(int(name))
            return (int(name),)
        if self.is_lenient:
            return ()
        if name not in self._names:
            raise BadRegex(f"undefined name <{name}> reference")
        return self._names[name]

    def _reference(self, letter: str, ignores_case: bool) -> Node | None:
        for opening, closing in (("<", ">"), ("'", "'")):
            if not self._reader.take(opening):
                continue
            name = self._reader.until(closing, f"\\{letter}{opening}")
            if letter == "g" and name == "0":
                return Call(0)
            numbers = self.numbers_of(name)
            if letter == "k":
                return Back(numbers, ignores_case)
            if len(numbers) > 1:
                raise BadRegex(f"multiplex definition name <{name}> call")
            return Call(numbers[0]) if numbers else EMPTY
        return None

    def _numbered(self, first: str, ignores_case: bool) -> Node | None:
        reader = self._reader
        start, stop = reader.at - 1, reader.at
        while stop < len(reader.text) and reader.text[stop] in "0123456789":
            stop += 1
        number = int(reader.text[start:stop])
        if number > 9 and reader.text[start:stop].strip("01234567") == "":
            return None  # An octal character such as \101; no expression has 64 groups.
        if self._names:
            raise BadRegex("numbered backref/call is not allowed. (use name)")
        if number > 9:
            number, stop = int(first), start + 1
        reader.at = stop
        self.numbers.add(number)
        return Back((number,), ignores_case)

    def _digits(self, most: int, base: int) -> str:
        allowed = "0123456789abcdefABCDEF" if base == 16 else "01234567"
        reader, start = self._reader, self._reader.at
        while reader.at < min(len(reader.text), start + most) and reader.text[reader.at] in allowed:
            reader.at += 1
        return reader.text[start : reader.at]

    def _byte(self, digits: str, base: int = 16) -> int:
        """Return the character of a byte; bytes above 127 are collected to a UTF-8 character."""
        if not digits:
            raise BadRegex("invalid hex escape")
        found = bytes([int(digits, base) & 0xFF])
        while found[0] > 127:
            try:
                return ord(found.decode())
            except UnicodeDecodeError as error:
                more = self._digits(2, 16) if self._reader.take("\\x") else ""
                if not more or len(found) > 3:
                    raise BadRegex("invalid multibyte escape") from error
                found += bytes([int(more, 16)])
        return found[0]


def _code_point(digits: str) -> int:
    try:
        point = int(digits, 16)
    except ValueError:
        point = -1
    if not 0 <= point < 0x110000 or 0xD800 <= point < 0xE000:
        raise BadRegex("invalid Unicode escape")
    return point

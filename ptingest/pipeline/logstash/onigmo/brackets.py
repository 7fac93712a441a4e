"""Reads what stands in brackets: ``[a-z&&[^b]]``, ``[[:alpha:]_]``."""

from __future__ import annotations

from ptingest.pipeline.logstash.onigmo import sets
from ptingest.pipeline.logstash.onigmo.escapes import Escapes, Reader
from ptingest.pipeline.logstash.onigmo.tree import BadRegex
from ptingest.settings.characters import Characters, inverted, joined

_DEPTH_MOST = 30


class Brackets:
    """Reads sets; the opening bracket is behind it."""

    def __init__(self, reader: Reader, escapes: Escapes) -> None:
        self._reader, self._escapes = reader, escapes
        self._depth = 0

    def read(self, ignores_case: bool, letters: str) -> Characters:
        """Return the characters of the set."""
        self._depth += 1
        if self._depth > _DEPTH_MOST:
            raise BadRegex(f"more than {_DEPTH_MOST} sets inside of each other")
        reader = self._reader
        is_negated = reader.take("^")
        found: Characters | None = None
        while True:
            part = self._part(ignores_case, letters, is_first=found is None)
            found = part if found is None else sets.common(found, part)
            if not reader.take("&&"):
                break
        reader.at += 1
        self._depth -= 1
        return inverted(found) if is_negated else found

    def _part(self, ignores_case: bool, letters: str, *, is_first: bool) -> Characters:
        """Read up to the closing bracket or ``&&``."""
        reader, parts = self._reader, list[Characters]()
        is_empty = is_first
        while True:
            if reader.at >= len(reader.text):
                raise BadRegex("premature end of char-class")
            if reader.text.startswith("&&", reader.at):
                break
            if reader.text[reader.at] == "]":
                if not is_empty:
                    break
                if "]" not in reader.text[reader.at + 1 :]:
                    raise BadRegex("empty char-class")
            is_empty = False
            parts.append(self._item(ignores_case, letters))
        found = joined(parts)
        return sets.any_case(found) if ignores_case else found

    def _item(self, ignores_case: bool, letters: str) -> Characters:
        reader = self._reader
        if reader.text.startswith("[:", reader.at):
            named = self._named(letters)
            if named is not None:
                return named
        if reader.take("["):
            return self.read(ignores_case, letters)
        first = self._one(letters)
        if not isinstance(first, int):
            return first
        rest = reader.text[reader.at : reader.at + 2]
        if not rest.startswith("-") or rest in ("-", "-]"):
            return ((first, first),)
        if rest == "-[" or reader.text.startswith("-&&", reader.at):
            return ((first, first),)
        reader.at += 1
        last = self._one(letters)
        if not isinstance(last, int):
            # A class ends no range: the dash is a plain character.
            return joined([((first, first),), ((45, 45),), last])
        if last < first:
            raise BadRegex("empty range in char class")
        return ((first, last),)

    def _one(self, letters: str) -> int | Characters:
        reader = self._reader
        character = reader.next("a set")
        if character != "\\":
            return ord(character)
        letter = reader.next("an escape")
        if letter == "b":
            return 8
        found = self._escapes.class_of(letter, letters)
        return self._escapes.point(letter) if found is None else found

    def _named(self, letters: str) -> Characters | None:
        reader = self._reader
        stop = reader.text.find(":]", reader.at)
        name = reader.text[reader.at + 2 : stop] if stop > 0 else ""
        is_negated = name.startswith("^")
        found = sets.bracket(name.lstrip("^")) if name.lstrip("^").isalpha() else None
        if found is None:
            return None
        reader.at = stop + 2
        if letters == "a":
            found = sets.common(found, sets.ASCII)
        return inverted(found) if is_negated else found

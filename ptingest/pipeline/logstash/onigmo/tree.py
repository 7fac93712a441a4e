"""The parsed form of a regular expression in Ruby's syntax, as Onigmo and Joni know it.

Options such as ``(?i)`` are gone: each node says by itself which characters it matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ptingest.settings.characters import Characters


class BadRegex(ValueError):
    """An expression that Logstash refuses, too, or that cannot be run here; the text says why."""

    def __init__(self, sentence: str, *, is_unsupported: bool = False) -> None:
        super().__init__(sentence)
        self.is_unsupported = is_unsupported
        """Logstash would run it."""


class Place(StrEnum):
    """What matches at a place and takes no character."""

    LINE_START = "^"
    LINE_END = "$"
    TEXT_START = r"\A"
    TEXT_END = r"\z"
    LAST_LINE_END = r"\Z"
    WORD_EDGE = r"\b"
    NO_WORD_EDGE = r"\B"
    SEARCH_START = r"\G"
    KEEP = r"\K"
    """What was matched before this place belongs to the match no longer."""


class Mode(StrEnum):
    """How often a repeat tries first, by what Python writes behind it."""

    GREEDY = ""
    LAZY = "?"
    POSSESSIVE = "+"


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    characters: Characters


@dataclass(frozen=True, slots=True)
class At:
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Ways that are tried in order."""

    ways: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    body: Node
    least: int
    most: int | None
    mode: Mode = Mode.GREEDY


@dataclass(frozen=True, slots=True)
class Group:
    """A group that captures; numbers count from 1 in the order of the opening parentheses."""

    number: int
    body: Node


@dataclass(frozen=True, slots=True)
class Atomic:
    body: Node


@dataclass(frozen=True, slots=True)
class Look:
    body: Node
    is_behind: bool
    is_negative: bool


@dataclass(frozen=True, slots=True)
class Back:
    """The text of a group; of several with one name, of the last that took part."""

    numbers: tuple[int, ...]
    ignores_case: bool


@dataclass(frozen=True, slots=True)
class Call:
    """The expression of a group once more: ``\\g<name>``; 0 is the whole expression."""

    number: int


@dataclass(frozen=True, slots=True)
class Condition:
    number: int
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Absent:
    """The longest text that does not hold the body: ``(?~...)``."""

    body: Node


@dataclass(frozen=True, slots=True)
class Grapheme:
    """What a reader takes for one character: ``\\X``."""


Node = (
    One | At | Sequence | Choice | Repeat | Group | Atomic | Look | Back | Call | Condition
    | Absent | Grapheme
)  # fmt: skip

EMPTY = Sequence(())


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole expression."""

    root: Node
    groups: int
    names: dict[str, tuple[int, ...]]
    """The groups of each name, in the order of the expression."""

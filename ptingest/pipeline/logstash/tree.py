"""The parsed form of a ``logstash.conf``: every node knows its place.

    Config -> Section (input, filter, output) -> Plugin | Branch -> Attribute -> Value

A value is a ``Text``, a ``Number``, an ``Array``, a ``Hash`` or a ``Plugin`` (a codec).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string or a bare word, without its quotes; environment variables are replaced."""

    value: str
    place: Place = field(compare=False)
    is_bare: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written: an int, or a decimal with a point."""

    value: int | Decimal
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """``[ value, ... ]``"""

    items: tuple[Value, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Hash:
    """``{ key => value ... }`` in the order written."""

    entries: tuple[tuple[Text | Number, Value], ...]
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One option of a plugin; the same option may stand twice."""

    name: str
    value: Value
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One input, filter, output or codec."""

    name: str
    attributes: tuple[Attribute, ...]
    place: Place = field(compare=False)


Value = Text | Number | Array | Hash | Plugin


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A field reference such as ``[a][b]``, as written."""

    text: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Regex:
    """``/.../`` without its slashes."""

    text: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class ListOperand:
    """``[ "a", "b" ]`` on the right of ``in``."""

    items: tuple[Operand, ...]
    place: Place = field(compare=False)


Operand = Text | Number | FieldSelector | Regex | ListOperand


@dataclass(frozen=True, slots=True)
class Truth:
    """``[field]`` alone: true when the field exists and is not null, false or empty text."""

    operand: Operand
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left OPERATOR right``, where the operator is one of == != < > <= >= =~ !~ in, not in."""

    operator: str
    left: Operand
    right: Operand
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """``! condition``"""

    condition: Condition
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Combination:
    """Conditions joined by one of ``and``, ``or``, ``xor``, ``nand``; left to right."""

    operator: str
    left: Condition
    right: Condition
    place: Place = field(compare=False)


Condition = Truth | Comparison | Not | Combination


@dataclass(frozen=True, slots=True)
class Branch:
    """``if ... else if ... else``; the condition of an ``else`` is None."""

    arms: tuple[tuple[Condition | None, tuple[Statement, ...]], ...]
    place: Place = field(compare=False)


Statement = Plugin | Branch


@dataclass(frozen=True, slots=True)
class Config:
    """All sections of all files, joined by kind in the order written."""

    inputs: tuple[Statement, ...]
    filters: tuple[Statement, ...]
    outputs: tuple[Statement, ...]

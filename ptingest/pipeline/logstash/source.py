"""Python's source of a function of an event, and the fields and conditions in it.

    [group]    -->    (v if type(v := root.get('group')) is not Raw else event.read('group'))

A field of the root or one level below it is a look into a dict, and the usual conditions are
expressions of it; whatever else there is stands in the source as the call of its closure, which
decides the same (``field_access``, ``conditions``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from ptingest.pipeline.logstash.conditions import Test
from ptingest.pipeline.logstash.event import MISSING
from ptingest.pipeline.logstash.field_access import reader
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.tree import (
    Combination,
    Comparison,
    Condition,
    FieldSelector,
    Not,
    Text,
    Truth,
)
from ptingest.pipeline.logstash.values import FieldError

_INDENT = "    "


class Source:
    """The lines of one function, and the objects that they name."""

    def __init__(self) -> None:
        self._lines = ["def run(event):", f"{_INDENT}root = event.root"]
        self._names: dict[str, Any] = {"MISSING": MISSING, "Raw": Raw}
        self.depth = 1

    def add(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self._lines += [_INDENT * self.depth + line for line in lines]

    def name(self, value: object) -> str:
        """Return a name by which the lines reach an object."""
        name = f"x{len(self._names)}"
        self._names[name] = value
        return name

    def function(self) -> Callable[..., Any]:
        """Compile what was added.

        Raises:
            SyntaxError: Python cannot take so many levels.
        """
        found: dict[str, Any] = self._names
        exec(compile("\n".join(self._lines), "<logstash.conf>", "exec"), found)
        made: Callable[..., Any] = found["run"]
        return made

    def value(self, text: str) -> str:
        """Return the expression of a field's value, for which missing may be null."""
        path = plain_path(text)
        if path is None:
            return f"{self.name(_null_where_missing(text))}(event)"
        if len(path) == 1:
            return (
                f"(v if type(v := root.get({path[0]!r})) is not Raw else event.read({path[0]!r}))"
            )
        read = self.name(_null_where_missing(text))
        return (
            f"(v.get({path[1]!r}) if type(v := root.get({path[0]!r})) is dict else {read}(event))"
        )


def plain_path(text: str) -> tuple[str, ...] | None:
    """Return the keys to a field of the root or one level below it; None for any other."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return None
    is_plain = not reference.is_metadata and len(reference.path) <= 2
    return reference.path if is_plain else None


def _null_where_missing(text: str) -> Callable[..., Any]:
    read = reader(text)

    def value(event: Any) -> Any:
        found = read(event)
        return None if found is MISSING else found

    return value


def condition_source(
    source: Source, condition: Condition, test_of: Callable[[Condition], Test]
) -> tuple[str, bool]:
    """Return the expression of a condition, and whether it may raise."""
    match condition:
        case Truth(operand=FieldSelector(text=text)) if plain_path(text):
            value = source.value(text)
            return f"((w := {value}) is not None and w is not False and w != '')", False
        case Comparison(
            left=FieldSelector(text=text), right=Text(value=literal), operator="==" | "!=" as name
        ) if plain_path(text):
            return f"({source.value(text)} {name} {literal!r})", False
        case Comparison(
            left=Text(value=literal),
            right=FieldSelector(text=text),
            operator="in" | "not in" as name,
        ) if plain_path(text):
            is_in = f"(isinstance(w := {source.value(text)}, (list, str)) and {literal!r} in w)"
            return is_in if name == "in" else f"(not {is_in})", False
        case Not():
            inner, may_raise = condition_source(source, condition.condition, test_of)
            return f"(not {inner})", may_raise
        case Combination(operator="and" | "or" as name):
            left, left_raises = condition_source(source, condition.left, test_of)
            right, right_raises = condition_source(source, condition.right, test_of)
            return f"({left} {name} {right})", left_raises or right_raises
    return f"{source.name(test_of(condition))}(event)", True

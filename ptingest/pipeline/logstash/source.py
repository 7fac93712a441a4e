"""Python's source of a function of an event, and the fields and conditions in it.

    [group]    -->    (v if type(v := root.get('group')) is not Raw else event.read('group'))

A field is a few looks into dicts, and the usual conditions are
expressions of it; whatever else there is stands in the source as the call of its closure, which
decides the same (``field_access``, ``conditions``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def __init__(self, parameters: str = "event") -> None:
        """``parameters`` are the function's, the event first."""
        self._lines = [f"def run({parameters}):", f"{_INDENT}root = event.root"]
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
        read = f"{self.name(_null_where_missing(text))}(event)"
        if path is None:
            return read
        first, *others = map(repr, path)
        if not others:
            return f"(v if type(v := root.get({first})) is not Raw else event.read({first}))"
        found = f"root.get({first})"
        for key in others[:-1]:
            found = f"(v.get({key}) if type(v := {found}) is dict else None)"
        return f"(v.get({others[-1]}) if type(v := {found}) is dict else {read})"

    def set_below(self, path: Sequence[str], value: str, otherwise: str, *, adds: bool) -> None:
        """Add what sets a field below the root; ``otherwise`` is done where a parent is neither
        missing nor an object, and with ``adds`` where the field has a value."""
        self.add("while True:")
        self.depth += 1
        holder = "root"
        for at, key in enumerate(path[:-1]):
            made = value
            for inner in reversed(path[at + 1 :]):
                made = f"{{{inner!r}: {made}}}"
            self.add(
                f"h{at} = {holder}.get({key!r}, MISSING)",
                f"if h{at} is MISSING:",
                f"    {holder}[{key!r}] = {made}",
                "    break",
                f"if type(h{at}) is not dict:",
                f"    {otherwise}",
                "    break",
            )
            holder = f"h{at}"
        key = path[-1]
        if adds:
            self.add(f"if {holder}.get({key!r}) is not None:", f"    {otherwise}", "    break")
        self.add(f"{holder}[{key!r}] = {value}", "break")
        self.depth -= 1


def plain_path(text: str) -> tuple[str, ...] | None:
    """Return the keys to a field; None for metadata and a bad reference."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return None
    return None if reference.is_metadata else reference.path


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

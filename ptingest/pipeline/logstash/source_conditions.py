"""Fields and conditions in the source of a function.

    [group]    -->    (v if type(v := root.get('group')) is not Raw else decoded(root, 'group', v))

A field is a few looks into dicts, and the usual conditions are expressions of it; whatever else
there is stands in the source as the call of its closure, which decides the same (``field_access``,
``conditions``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ptingest.pipeline.logstash.conditions import Test
from ptingest.pipeline.logstash.event import MISSING
from ptingest.pipeline.logstash.field_access import reader
from ptingest.pipeline.logstash.source import Source, plain_path
from ptingest.pipeline.logstash.tree import (
    Combination,
    Comparison,
    Condition,
    FieldSelector,
    Not,
    Text,
    Truth,
)


def value_source(source: Source, text: str) -> str:
    """Return the expression of a field's value, for which missing may be null."""
    path = plain_path(text)
    read = f"{source.name(_null_where_missing(text))}(event)"
    if path is None:
        return read
    first, *others = map(repr, path)
    if not others:
        return f"(v if type(v := root.get({first})) is not Raw else decoded(root, {first}, v))"
    found = f"root.get({first})"
    for key in others[:-1]:
        found = f"(v.get({key}) if type(v := {found}) is dict else None)"
    return f"(v.get({others[-1]}) if type(v := {found}) is dict else {read})"


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
            value = value_source(source, text)
            return f"((w := {value}) is not None and w is not False and w != '')", False
        case Comparison(
            left=FieldSelector(text=text), right=Text(value=literal), operator="==" | "!=" as name
        ) if plain_path(text):
            return f"({value_source(source, text)} {name} {literal!r})", False
        case Comparison(
            left=Text(value=literal),
            right=FieldSelector(text=text),
            operator="in" | "not in" as name,
        ) if plain_path(text):
            is_in = (
                f"(isinstance(w := {value_source(source, text)}, (list, str)) and {literal!r} in w)"
            )
            return is_in if name == "in" else f"(not {is_in})", False
        case Not():
            inner, may_raise = condition_source(source, condition.condition, test_of)
            return f"(not {inner})", may_raise
        case Combination(operator="and" | "or" as name):
            left, left_raises = condition_source(source, condition.left, test_of)
            right, right_raises = condition_source(source, condition.right, test_of)
            return f"({left} {name} {right})", left_raises or right_raises
    return f"{source.name(test_of(condition))}(event)", True

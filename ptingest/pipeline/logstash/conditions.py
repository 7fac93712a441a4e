"""Conditions of ``if``: from the tree to functions of an event, and their texts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import Reader, is_text, reader
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.regex import BadRegex, RegexTimeout, compile_regex
from ptingest.pipeline.logstash.tree import (
    Combination,
    Comparison,
    Condition,
    FieldSelector,
    ListOperand,
    Not,
    Number,
    Operand,
    Regex,
    Text,
    Truth,
)
from ptingest.pipeline.logstash.values import Value, is_number, java_text

Test = Callable[[Event], bool]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class ConditionError(Exception):
    """A condition cannot be decided for an event, which is dropped, as in Logstash 8.19."""


def compile_condition(condition: Condition) -> Test:
    """Compile; the result raises ConditionError where an event's values cannot be compared.

    Raises:
        RefusedConfig: a regular expression cannot be used.
    """
    match condition:
        case Truth():
            return _truth(condition.operand)
        case Not():
            inner = compile_condition(condition.condition)
            return lambda event: not inner(event)
        case Combination():
            return _combination(condition)
    return _comparison(condition)


def deciding_field(condition: Condition) -> str | None:
    """Return the one field whose value alone decides a condition, None where more does.

    An order of values may be no answer but an error, so it is not such a condition.
    """
    match condition:
        case Not():
            return deciding_field(condition.condition)
        case Combination():
            left, right = deciding_field(condition.left), deciding_field(condition.right)
            return left if left == right else None
        case Comparison() if condition.operator in _ORDER:
            return None
    fields = fields_of(condition)
    return fields.pop() if len(fields) == 1 else None


def fields_of(condition: Condition) -> set[str]:
    """Return the fields that a condition asks for, as written."""
    match condition:
        case Truth():
            operands: tuple[Operand, ...] = (condition.operand,)
        case Not():
            return fields_of(condition.condition)
        case Combination():
            return fields_of(condition.left) | fields_of(condition.right)
        case _:
            operands = (condition.left, condition.right)
    return {one.text for one in operands if isinstance(one, FieldSelector)}


def _combination(condition: Combination) -> Test:
    left, right = compile_condition(condition.left), compile_condition(condition.right)
    match condition.operator:
        case "and":
            return lambda event: left(event) and right(event)
        case "or":
            return lambda event: left(event) or right(event)
        case "xor":
            return lambda event: left(event) != right(event)
    return lambda event: not (left(event) and right(event))


def _truth(operand: Operand) -> Test:
    get = _getter(operand)

    def is_true(event: Event) -> bool:
        value = get(event)
        if type(value) is str:
            return value != ""
        return value is not MISSING and value is not None and value is not False

    return is_true


def _getter(operand: Operand) -> Reader:
    if isinstance(operand, FieldSelector):
        return reader(operand.text)
    value = _literal(operand)
    return lambda _event: value


def _literal(operand: Operand) -> Value:
    match operand:
        case Text():
            return operand.value
        case Number():
            return float(operand.value) if isinstance(operand.value, Decimal) else operand.value
        case ListOperand():
            return [_literal(one) for one in operand.items]
    return operand.text


def _comparison(condition: Comparison) -> Test:
    match condition.operator:
        case "==":
            return _equality(condition)
        case "!=":
            equal = _equality(condition)
            return lambda event: not equal(event)
        case "=~":
            return _matching(condition)
        case "!~":
            matching = _matching(condition)
            return lambda event: not matching(event)
        case "in":
            return _membership(condition)
        case "not in":
            member = _membership(condition)
            return lambda event: not member(event)
    return _ordering(condition)


def _equality(condition: Comparison) -> Test:
    left, right = condition.left, condition.right
    for field, literal in ((left, right), (right, left)):
        if isinstance(field, FieldSelector) and isinstance(literal, Text):
            return is_text(field.text, literal.value)
    one, other = _getter(left), _getter(right)
    return lambda event: _equal(one(event), other(event))


def _equal(one: Value, other: Value) -> bool:
    """Equal, and of one type at every depth: 5 is neither 5.0 nor "5" nor true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all([*map(_equal, one, other)])
    if isinstance(one, dict):
        others = map(other.get, one)
        return one.keys() == other.keys() and all([*map(_equal, one.values(), others)])
    return bool(one == other)


def _matching(condition: Comparison) -> Test:
    get = _getter(condition.left)
    pattern = condition.right.text if isinstance(condition.right, Regex) else None
    pattern = str(_literal(condition.right)) if pattern is None else pattern
    try:
        regex = compile_regex(pattern)
    except BadRegex as error:
        raise RefusedConfig(
            condition.right.place, str(error), is_unsupported=error.is_unsupported
        ) from None
    needle, search = regex.needle, regex.search

    def matches(event: Event) -> bool:
        value = get(event)
        if type(value) is not str or needle not in value:
            return False
        try:
            return search(value) is not None
        except RegexTimeout:
            event.tag("_condition_timeout")
            return False

    return matches


def _membership(condition: Comparison) -> Test:
    left, right = _getter(condition.left), _getter(condition.right)
    if isinstance(condition.right, ListOperand):
        if not isinstance(condition.left, FieldSelector):
            return lambda _event: False  # as Logstash has it: a literal is in no literal list
        texts = frozenset(java_text(_literal(one)) for one in condition.right.items)

        def is_listed(event: Event) -> bool:
            value = left(event)
            if type(value) is str:
                return value in texts
            return value is not MISSING and value is not None and java_text(value) in texts

        return is_listed
    if isinstance(condition.left, FieldSelector):
        return lambda event: _is_member(left(event), right(event))
    literal = _literal(condition.left)
    return _holds_text(right, literal) if type(literal) is str else _holds_literal(right, literal)


def _holds_text(read: Reader, text: str) -> Test:
    # ``in`` compares a list's elements by ``==``: no value but the text itself equals a text.
    def holds(event: Event) -> bool:
        holder = read(event)
        return isinstance(holder, (list, str)) and text in holder

    return holds


def _holds_literal(read: Reader, literal: Value) -> Test:
    def holds(event: Event) -> bool:
        holder = read(event)
        return isinstance(holder, list) and any(_equal(literal, each) for each in holder)

    return holds


def _is_member(one: Value, holder: Value) -> bool:
    if isinstance(holder, list):
        return any(_equal(one, each) for each in holder) if not isinstance(one, list) else False
    if isinstance(holder, str):
        return isinstance(one, str) and one in holder
    return holder is not MISSING and holder is not None and _equal(one, holder)


def _ordering(condition: Comparison) -> Test:
    left, right, name = condition.left, condition.right, condition.operator
    if isinstance(right, FieldSelector) and not isinstance(left, FieldSelector):
        left, right, name = right, left, _MIRRORED[name]
    first, second, compare = _getter(left), _getter(right), _ORDER[name]

    def holds(event: Event) -> bool:
        one, other = first(event), second(event)
        if type(one) is int and type(other) is int:
            return compare(one, other)
        if one is None or isinstance(one, bool):
            return name in ("<=", ">=")  # Logstash takes them as equal to whatever stands right
        if (is_number(one) and is_number(other)) or (type(one) is str and type(other) is str):
            return compare(one, other)
        raise ConditionError(f"{_kind(one)} and {_kind(other)} cannot be compared by {name}")

    return holds


def _kind(value: Value) -> str:
    if value is MISSING:
        return "a missing field"
    kinds = {str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number" if is_number(value) else "a boolean")


def condition_text(condition: Condition) -> str:
    """Return the condition as a config has it, with parentheses where they are needed."""
    match condition:
        case Truth():
            return operand_text(condition.operand)
        case Not():
            inner = condition_text(condition.condition)
            is_field = isinstance(condition.condition, Truth) and isinstance(
                condition.condition.operand, FieldSelector
            )
            return f"!{inner}" if is_field else f"!({inner})"
        case Combination():
            left, right = _side(condition, condition.left), _side(condition, condition.right)
            return f"{left} {condition.operator} {right}"
    left, right = operand_text(condition.left), operand_text(condition.right)
    return f"{left} {condition.operator} {right}"


def _side(parent: Combination, side: Condition) -> str:
    """Parentheses keep a side together, unless the config is read so without them."""
    text = condition_text(side)
    if not isinstance(side, Combination):
        return text
    is_read_so = (parent.operator, side.operator) == ("or", "and")
    if side is parent.right:
        is_read_so |= side.operator == parent.operator in ("and", "or")
    elif isinstance(side.right, Combination):
        is_read_so = False  # see ``parse``: "a and b and c or d"
    return text if is_read_so else f"({text})"


def operand_text(operand: Operand) -> str:
    """Return the operand as a config has it."""
    match operand:
        case FieldSelector():
            return operand.text
        case Regex():
            return f"/{operand.text.replace('/', chr(92) + '/')}/"
        case ListOperand():
            return f"[{', '.join(map(operand_text, operand.items))}]"
        case Number():
            text = format(operand.value, "f" if isinstance(operand.value, Decimal) else "d")
            is_cut = isinstance(operand.value, Decimal) and "." not in text
            return f"{text}.0" if is_cut else text
    quote = "'" if '"' in operand.value else '"'
    return f"{quote}{operand.value}{quote}"

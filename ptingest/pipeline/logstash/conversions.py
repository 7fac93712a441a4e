"""Conversions of ``mutate { convert => ... }``: a text's leading number counts, else 0.

Releases of Logstash differ over badly formed numbers; this is what all did up to 8.19.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal

from ptingest.pipeline.logstash.values import FieldError, Value, java_text, ruby_text, whole

Conversion = Callable[[Value], Value]
_INTEGER = re.compile(r"[\s\0]*([+-]?[0-9]+(?:_[0-9]+)*)")
_FLOAT = re.compile(
    r"[\s\0]*([+-]?(?:[0-9]+(?:_[0-9]+)*)?(?:\.[0-9]+(?:_[0-9]+)*)?(?:(?<=[0-9])[eE][+-]?[0-9]+)?)"
)
_TRUE = re.compile(r"^(?:true|t|yes|y|1|1.0)$", re.IGNORECASE | re.MULTILINE)
_FALSE = re.compile(r"^(?:false|f|no|n|0|0.0)$", re.IGNORECASE | re.MULTILINE)


def ruby_integer(text: str) -> int:
    """Ruby's ``to_i``: leading digits, else 0."""
    if text.isdigit() and text.isascii():
        return int(text)
    found = _INTEGER.match(text)
    return int(found[1].replace("_", "")) if found else 0


def ruby_float(text: str) -> float:
    """Ruby's ``to_f``: a leading number, else 0.0."""
    found = _FLOAT.match(text)
    number = found[1].replace("_", "") if found else ""
    if not any(character.isdigit() for character in number):
        return -0.0 if number.startswith("-") else 0.0
    return float(number)


def _integer(value: Value) -> Value:
    if isinstance(value, str):
        return ruby_integer(value.replace(",", ""))
    return _number_as_integer(value)


def _number_as_integer(value: Value) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        raise FieldError(f"{ruby_text(value)} is no integer")
    if isinstance(value, Decimal):
        return whole(value)
    if isinstance(value, (bool, int, float)):
        return int(value)
    raise FieldError(f"{ruby_text(value)} cannot be converted to an integer")


def _integer_eu(value: Value) -> Value:
    if isinstance(value, str):
        return ruby_integer(_from_european(value))
    return _number_as_integer(value)


def _float(value: Value) -> Value:
    if isinstance(value, str):
        return _written(ruby_float(value.replace(",", "")))
    return _number_as_float(value)


def _number_as_float(value: Value) -> Value:
    if isinstance(value, (bool, int, float, Decimal)):
        try:
            return _written(float(value))
        except OverflowError:
            return _written(math.inf if value > 0 else -math.inf)
    raise FieldError(f"{ruby_text(value)} cannot be converted to a float")


def _float_eu(value: Value) -> Value:
    if isinstance(value, str):
        return _written(ruby_float(_from_european(value)))
    return _number_as_float(value)


def _written(number: float) -> Value:
    """JSON has no infinity; Logstash writes the word, and so it is kept as one from here on."""
    return number if math.isfinite(number) else java_text(number)


def _from_european(text: str) -> str:
    return text.replace(".", "").replace(",", ".")


def _boolean(value: Value) -> Value:
    text = ruby_text(value)
    if _TRUE.search(text):
        return True
    return False if not text or _FALSE.search(text) else value


CONVERSIONS: dict[str, Conversion] = {
    "string": ruby_text,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "integer_eu": _integer_eu,
    "float_eu": _float_eu,
}

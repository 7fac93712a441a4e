"""Values as settings hold them: numbers, sizes and secrets, from what YAML or a variable gives.

A variable gives text, so a number may come as text; true and false are no numbers, and a
number is no text. What does not fit raises `Misfit` with a fixed kind and one sentence.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from ptingest.errors import Misfit

MASK = "**********"

_UNITS: dict[str, int] = {
    unit: factor
    for power, letter in enumerate("kmgtpe", start=1)
    for unit, factor in (
        (letter, 1000**power),
        (f"{letter}b", 1000**power),
        (f"{letter}ib", 1024**power),
    )
} | {"": 1, "b": 1}
_LARGEST = (1 << 63) - 1
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})


class ByteSize(int):
    """Type of a setting that is a number of bytes, and of its default: written as a number or
    as ``64MiB``, ``1.5 GB``. What a setting holds is a plain int."""


class SecretStr:
    """Text that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return MASK if self._text else ""

    def __repr__(self) -> str:
        return f"SecretStr({str(self)!r})"


def read_text(value: Any) -> str:
    """Return text as it is."""
    if isinstance(value, str):
        return value
    raise Misfit("string_type", "Input should be a valid string")


def read_secret(value: Any) -> SecretStr:
    """Return text as a secret."""
    return value if isinstance(value, SecretStr) else SecretStr(read_text(value))


def read_boolean(value: Any) -> bool:
    """Return true or false; of numbers 1 and 0, of text the usual words."""
    if isinstance(value, str):
        word = value.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise Misfit("bool_type", "Input should be a valid boolean")


def read_whole_number(value: Any) -> int:
    """Return an integer; of other numbers those without a fraction."""
    if isinstance(value, str):
        # No setting takes more digits, and int() would refuse thousands of them.
        if len(value) <= 80 and re.fullmatch(r"\s*[-+]?[0-9]+(_[0-9]+)*(\.0*)?\s*", value):
            return int(value.partition(".")[0])
    elif isinstance(value, float):
        if abs(value) <= _LARGEST and value.is_integer():
            return int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Misfit("int_type", "Input should be a valid integer")


def read_number(value: Any) -> float:
    """Return a float; infinity and no-number too, unless a limit refuses them."""
    is_text = isinstance(value, str) and value.isascii()
    if is_text or (isinstance(value, int | float) and not isinstance(value, bool)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise Misfit("float_type", "Input should be a valid number")


def read_size(value: Any) -> int:
    """Return a number of bytes; units count in thousands (``MB``, ``M``) or 1024 (``MiB``)."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9_]*)(\.[0-9]+)?\s*([A-Za-z]*)\s*", value)
        if found is not None and found[3].lower() in _UNITS and len(value) <= 80:
            whole, fraction, factor = found[1], found[2], _UNITS[found[3].lower()]
            with suppress(ValueError):  # underscores where int() takes none, or no digit at all
                if fraction is not None:
                    return int(float(whole + fraction) * factor)
                return int(whole) * factor
    else:
        number = read_whole_number(value)
        if number >= 0:
            return number
    raise Misfit("byte_size", "could not parse value and unit from byte string")

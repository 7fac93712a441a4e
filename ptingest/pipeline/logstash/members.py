"""Members of a payload: JSON until something reads them."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

_value = msgspec.json.Decoder().decode


def value_of(raw: Raw | bytes) -> Any:
    """Return the value of one member's JSON, with objects and lists of its own."""
    try:
        return _value(raw)
    except msgspec.DecodeError:
        # A number beyond a double: it stays a number of its own text.
        return json.loads(bytes(raw), parse_float=_number)


def decoded(members: dict[str, Any], name: str, raw: Raw) -> Any:
    """Put a member's value in the place of its JSON, and return it."""
    try:
        value = members[name] = _value(raw)
    except msgspec.DecodeError:
        value = members[name] = value_of(raw)
    return value


def _number(text: str) -> float | Decimal:
    number = float(text)
    return Decimal(text) if math.isinf(number) else number

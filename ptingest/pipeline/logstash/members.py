"""A payload as the members of an event: plain Python values, decoded whole.

Common payloads are decoded once; whatever is odd (not UTF-8, halves of surrogate pairs, numbers
of a thousand digits, no object) is judged and mended as for a profile.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ptingest.pipeline.decode import (
    Unreadable,
    decode_payload,
    holds_long_number,
    is_plain,
)

_value = msgspec.json.Decoder().decode


class Members(NamedTuple):
    """The members of one payload."""

    fields: dict[str, Any]
    """Its own dict, which an event takes over."""
    payload: bytes
    """After mending."""
    marks: tuple[str, ...]
    """What was mended."""


def read_members(payload: bytes) -> Members | Unreadable:
    """Decode a payload, or say why it is no event."""
    if payload.isascii() or is_plain(payload):
        try:
            fields = _value(payload)
        except (msgspec.DecodeError, RecursionError):
            return _mended(payload)
        if type(fields) is dict and not holds_long_number(payload, None):
            return Members(fields, payload, ())
    return _mended(payload)


def _mended(payload: bytes) -> Members | Unreadable:
    decoded = decode_payload(payload)
    if isinstance(decoded, Unreadable):
        return decoded
    try:
        fields = _value(decoded.payload)
    except msgspec.DecodeError:
        # A number beyond a double: it stays a number of its own text.
        fields = json.loads(decoded.payload, parse_float=_number)
    return Members(fields, decoded.payload, decoded.marks)


def value_of(raw: Raw) -> Any:
    """Return the value of one member's JSON, with objects and lists of its own."""
    try:
        return _value(raw)
    except msgspec.DecodeError:
        # A number beyond a double: it stays a number of its own text.
        return json.loads(bytes(raw), parse_float=_number)


def _number(text: str) -> float | Decimal:
    number = float(text)
    return Decimal(text) if math.isinf(number) else number

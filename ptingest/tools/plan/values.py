"""Whether one JSON value fits a field of a type, as Elasticsearch decides it. Pure.

A value is a JSON scalar: text, int, Decimal (numbers keep their text), bool. What a type does
with objects and arrays is not asked here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from ptingest.doctor.units import cut
from ptingest.sinks.elasticsearch.read.mapping import TEXT

Scalar = str | int | Decimal | bool

RANGES = {
    "byte": (-(1 << 7), (1 << 7) - 1),
    "short": (-(1 << 15), (1 << 15) - 1),
    "integer": (-(1 << 31), (1 << 31) - 1),
    "long": (-(1 << 63), (1 << 63) - 1),
}
LARGEST = {
    "half_float": Decimal(65_519),
    "float": Decimal("3.4028235677973366e38"),
    "double": Decimal("1.797693134862315807e308"),
}
"""The first number beyond is infinite, which is refused."""
TERM_BYTES = 32_766
"""Longest value in an index or column (Lucene)."""
DATES = frozenset({"date", "date_nanos"})
MAY_BE_MALFORMED = frozenset({*RANGES, *LARGEST, "boolean", "ip"}) | DATES
"""Types whose ``ignore_malformed`` is known here. Those of modules, as ``scaled_float`` and
``unsigned_long``, are judged by nobody here: no node was asked about them."""
JUDGED = MAY_BE_MALFORMED | TEXT | {"keyword", "constant_keyword", "wildcard"}

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?\s*")
_WHOLE = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)?"
_TIME = re.compile(
    r"(?P<year>[+-]?\d{4,9})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    rf"(T((?P<hour>\d\d)(:(?P<minute>\d\d)(:(?P<second>\d\d)([.,]\d{{1,9}})?)?)?{_ZONE})?)?)?)?"
)
_EPOCH = re.compile(r"-?\d+(\.\d+)?")
_USUAL_FORMAT = "strict_date_optional_time||epoch_millis"
_SLASHED = re.compile(
    r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)"
    r"( (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d))?"
)
SLASHED_FORMAT = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"
_KNOWN_FORMATS = {
    "strict_date_optional_time": _TIME,
    "strict_date_optional_time_nanos": _TIME,
    "yyyy/MM/dd HH:mm:ss": _SLASHED,
    "yyyy/MM/dd": _SLASHED,
    "epoch_millis": _EPOCH,
    "epoch_second": _EPOCH,
}


def is_judged(kind: str, options: Mapping[str, Any]) -> bool:
    """Whether this module knows what fits a field."""
    if kind in DATES:
        return set(_formats(options)) <= set(_KNOWN_FORMATS)
    return kind in JUDGED and not options.get("script") and not options.get("normalizer")


def why_unfit(value: Scalar, kind: str, options: Mapping[str, Any], *, coerces: bool) -> str | None:
    """Return why a field of this type does not take a value; None where it does."""
    is_coerced = str(options.get("coerce", coerces)).lower() != "false"
    if kind in RANGES or kind in LARGEST:
        problem = _why_no_number(value, kind, is_coerced=is_coerced)
    elif kind in DATES:
        problem = None if _is_date(value, options) else "is no date in the format of the field"
    elif kind == "boolean":
        fits = isinstance(value, bool) or value in ("true", "false", "")
        problem = None if fits else "is neither true nor false"
    elif kind == "ip":
        problem = None if _is_address(value) else "is no IP address"
    elif kind == "constant_keyword":
        there = options.get("value")
        problem = f"is not {there!r}, the only value" if there not in (None, text_of(value)) else ""
    elif kind == "keyword":
        problem = _why_too_long(value, options)
    else:
        problem = None
    return f"{shown(value)} {problem}, and the field is {kind}" if problem else None


def text_of(value: Scalar) -> str:
    """The value as a keyword has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(value: object) -> str:
    """A value for a sentence."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return cut(f'"{value}"' if isinstance(value, str) else text_of(value), 60)  # type: ignore[arg-type]


# --- numbers ----------------------------------------------------------------------------


def _why_no_number(value: Scalar, kind: str, *, is_coerced: bool) -> str | None:
    if isinstance(value, bool):
        return "is no number"
    if isinstance(value, str):
        if not is_coerced:
            return "is text"
        if not value:
            return None  # as null
        pattern = _WHOLE if kind == "long" else _NUMBER
        if not pattern.fullmatch(value):
            return "is no number"
    try:
        number = Decimal(value.strip().rstrip("fFdD") if isinstance(value, str) else value)
    except InvalidOperation:
        return "is no number"
    if kind in RANGES:
        lowest, highest = RANGES[kind]
        if number != number.to_integral_value() and not is_coerced:
            return "is no whole number"
        return (
            None
            if lowest <= number.to_integral_value("ROUND_DOWN") <= highest
            else (f"is not from {lowest} to {highest}")
        )
    largest = LARGEST[kind]
    return None if abs(number) <= largest else "is infinite in this type"


# --- dates, addresses, keywords -----------------------------------------------------------


def _formats(options: Mapping[str, Any]) -> list[str]:
    return str(options.get("format", _USUAL_FORMAT)).split("||")


def _is_date(value: Scalar, options: Mapping[str, Any]) -> bool:
    if isinstance(value, bool):
        return False
    return any(_is_of_format(text_of(value), one) for one in _formats(options))


def _is_of_format(text: str, name: str) -> bool:
    pattern = _KNOWN_FORMATS[name]
    found = pattern.fullmatch(text)
    if found is None or pattern is _EPOCH:
        return found is not None
    year = int(found["year"])
    try:
        # Leap years repeat: a year that `date` does not know is as one that it does.
        date(year % 400 + 400, int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return False
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    return hour < 24 and minute < 60 and second < 60


def detected_format(text: str) -> str | None:
    """Return the format of a new field whose text is taken for a date; None: it is not.

    With the usual ``dynamic_date_formats``.
    """
    if _is_of_format(text, "strict_date_optional_time") and "-" in text:
        return _USUAL_FORMAT
    return SLASHED_FORMAT if _is_of_format(text, "yyyy/MM/dd") else None


def _is_address(value: Scalar) -> bool:
    try:
        ipaddress.ip_address(text_of(value))
    except ValueError:
        return False
    return True


def _why_too_long(value: Scalar, options: Mapping[str, Any]) -> str | None:
    text = text_of(value)
    if len(text) > int(options.get("ignore_above", 1 << 31)):
        return None  # kept and not indexed
    is_stored = any(options.get(part, True) for part in ("index", "doc_values"))
    size = len(text.encode("utf-8", "surrogatepass"))
    if is_stored and size > TERM_BYTES:
        return f"has {size:,} bytes, more than {TERM_BYTES:,}"
    return None

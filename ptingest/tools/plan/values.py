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
_NO_FINITE = re.compile(r"\s*[+-]?(NaN|Infinity)\s*")
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)?"
_DATE = r"(?P<year>[+-]?\d{4,9})(-(?P<month>\d\d)(-(?P<day>\d\d)"
_SECOND = r":(?P<minute>\d\d)(:(?P<second>\d\d)([.,]\d{1,9})?)?"
_TIME = re.compile(rf"{_DATE}(T((?P<hour>\d\d)({_SECOND})?{_ZONE})?)?)?)?")
_TIME_NANOS = re.compile(rf"{_DATE}(T((?P<hour>\d\d){_SECOND}{_ZONE})?)?)?)?")
_EPOCH = re.compile(r"-?\d+(\.\d+)?")
_USUAL_FORMAT = "strict_date_optional_time||epoch_millis"
_USUAL_FORMATS = {
    "date": _USUAL_FORMAT, "date_nanos": "strict_date_optional_time_nanos||epoch_millis"
}  # fmt: skip
_LONGEST = Decimal((1 << 63) - 1)
_TIMES = {
    "date": (-_LONGEST / 1000, _LONGEST / 1000),
    "date_nanos": (Decimal(0), _LONGEST / 1_000_000_000),
}
"""First and last second since 1970 that each keeps in its 64 bits."""
_DAY_OF_1970 = date(1970, 1, 1).toordinal()
_DAYS_OF_400_YEARS = date(801, 1, 1).toordinal() - date(401, 1, 1).toordinal()
_SLASHED = re.compile(
    r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)"
    r"( (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d))?"
)
SLASHED_FORMAT = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"
_KNOWN_FORMATS = {
    "strict_date_optional_time": _TIME,
    "strict_date_optional_time_nanos": _TIME_NANOS,
    "yyyy/MM/dd HH:mm:ss": _SLASHED,
    "yyyy/MM/dd": _SLASHED,
    "epoch_millis": _EPOCH,
    "epoch_second": _EPOCH,
}


def is_judged(kind: str, options: Mapping[str, Any]) -> bool:
    """Whether this module knows what fits a field."""
    if kind in DATES:
        return set(_formats(kind, options)) <= set(_KNOWN_FORMATS)
    return kind in JUDGED and not options.get("script") and not options.get("normalizer")


def why_unfit(value: Scalar, kind: str, options: Mapping[str, Any], *, coerces: bool) -> str | None:
    """Return why a field of this type does not take a value; None where it does."""
    is_coerced = str(options.get("coerce", coerces)).lower() != "false"
    if kind in RANGES or kind in LARGEST:
        problem = _why_no_number(value, kind, is_coerced=is_coerced)
    elif kind in DATES:
        fits = _is_date(value, kind, options)
        problem = None if fits else "is no date in the format and span of the field"
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
        if kind in RANGES and kind != "long" and _NO_FINITE.fullmatch(value):
            return None if "NaN" in value else "is infinite"  # NaN becomes 0
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


def _formats(kind: str, options: Mapping[str, Any]) -> list[str]:
    return str(options.get("format", _USUAL_FORMATS[kind])).split("||")


def _is_date(value: Scalar, kind: str, options: Mapping[str, Any]) -> bool:
    if isinstance(value, bool):
        return False
    first, last = _TIMES[kind]
    seconds = (_seconds_of(text_of(value), one) for one in _formats(kind, options))
    return any(one is not None and first <= one <= last for one in seconds)


def is_beyond_span(value: Scalar, kind: str, options: Mapping[str, Any]) -> bool:
    """Whether a value has a format of its date field, and is a time that the field cannot keep."""
    if kind not in DATES or isinstance(value, bool):
        return False
    text = text_of(value)
    return any(_seconds_of(text, one) is not None for one in _formats(kind, options))


def _seconds_of(text: str, name: str) -> Decimal | None:
    """Return the time since 1970 that a text of a format means, the zone left out; None: it is not
    of that format."""
    pattern = _KNOWN_FORMATS[name]
    found = pattern.fullmatch(text)
    if found is None:
        return None
    if pattern is _EPOCH:
        return Decimal(text) / (1000 if name == "epoch_millis" else 1)
    # Leap years repeat: a year that `date` does not know is as one that it does.
    rounds, year = divmod(int(found["year"]), 400)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    try:
        day = date(year + 400, int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    days = day.toordinal() - _DAY_OF_1970 + (rounds - 1) * _DAYS_OF_400_YEARS
    return Decimal(((days * 24 + hour) * 60 + minute) * 60 + second)


def detected_format(text: str) -> str | None:
    """Return the format of a new field whose text is taken for a date; None: it is not.

    With the usual ``dynamic_date_formats``.
    """
    if "-" in text and _seconds_of(text, "strict_date_optional_time") is not None:
        return _USUAL_FORMAT
    return None if _seconds_of(text, "yyyy/MM/dd") is None else SLASHED_FORMAT


def is_detected_number(text: str) -> bool:
    """Whether the text of a new field is taken for a number (``numeric_detection``)."""
    return bool(text) and (
        why_unfit(text, "double", {}, coerces=True) is None
        or _NO_FINITE.fullmatch(text) is not None
    )


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

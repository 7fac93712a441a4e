"""Conversions of the filter ``csv``: a text that is no such value stays as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from ptingest.pipeline.decode import MAX_NUMBER_DIGITS
from ptingest.pipeline.logstash.locale_names import locale_names
from ptingest.pipeline.logstash.values import NANOS, Timestamp, Value
from ptingest.pipeline.timestamps import day_number, days_in_month, read_event_time

Conversion = Callable[[str], Value]
_INTEGER = re.compile(
    r"\s*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|0[dD]([0-9]+)|([1-9][0-9]*|0))\s*",
    re.ASCII,
)
_BASES = (16, 2, 8, 10, 10)
_FLOAT = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_HEXADECIMAL = re.compile(
    r"\s*[+-]?0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]+)?(?:[pP][+-]?[0-9]+)?\s*", re.ASCII
)
_JOINTS = re.compile(r"(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T\s][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?(?:[+-][0-9]{2}:[0-9]{2}|\sUTC|Z)?)?)?"
)
# Sun, Jan 2 2026 and Jan 2, 26; with a time of day between the day and the year.
_NAMED = re.compile(
    r"(?:\w+,?\s+)?(?P<month>[A-Za-z]{3})\w*\s+(?P<day>[0-9]{1,2})"
    r"(?:\s+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2}))?"
    r",?\s+(?P<year>[0-9]{2,4})"
)
_FIRST_YEAR_OF_TWO_DIGITS = 69


def _integer(text: str) -> Value:
    if len(text) > MAX_NUMBER_DIGITS:
        return text
    if text.isdigit() and text.isascii() and text[0] != "0":
        return int(text)
    found = _INTEGER.fullmatch(_JOINTS.sub("", text))
    if found is None:
        return text
    sign, *digits = found.groups()
    base, number = next((base, one) for base, one in zip(_BASES, digits, strict=True) if one)
    return int(sign + number, base)


def _float(text: str) -> Value:
    plain = _JOINTS.sub("", text) if "_" in text else text
    if _FLOAT.fullmatch(plain):
        number = float(plain)
    elif _HEXADECIMAL.fullmatch(plain):
        try:
            number = float.fromhex(plain.strip())
        except OverflowError:
            return text
    else:
        return text
    # No document can hold an infinite number.
    return number if math.isfinite(number) else text


def _boolean(text: str) -> Value:
    plain = text.strip().lower()
    return {"true": True, "false": False}.get(plain, plain)


def _date(text: str) -> Value:
    named = _NAMED.fullmatch(text)
    if named is not None and named["hour"] is None:
        return _named(named) or text
    return _iso(text) or text if _ISO_DATE.fullmatch(text) else text


def _date_time(text: str) -> Value:
    named = _NAMED.fullmatch(text)
    if named is not None and named["hour"] is not None:
        return _named(named) or text
    return _iso(text) or text if _ISO_TIME.fullmatch(text) else text


def _iso(text: str) -> Timestamp | None:
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        return None
    found = read_event_time(text.removesuffix(" UTC").replace(" ", "T"))
    return None if found is None else Timestamp(found.seconds * NANOS + found.nanos)


def _named(found: re.Match[str]) -> Timestamp | None:
    names = locale_names("en")
    assert names is not None
    months = [name.lower() for name in names.short_months]
    year, day, name = int(found["year"]), int(found["day"]), found["month"].lower()
    if len(found["year"]) == 2:
        year += 1900 if year >= _FIRST_YEAR_OF_TWO_DIGITS else 2000
    clock = [int(found[part] or 0) for part in ("hour", "minute", "second")]
    if name not in months or clock > [23, 59, 59] or max(clock[1:]) > 59:
        return None
    month = months.index(name) + 1
    if not 1 <= day <= days_in_month(year, month):
        return None
    seconds = day_number(year, month, day) * 86_400 + (clock[0] * 60 + clock[1]) * 60 + clock[2]
    return Timestamp(seconds * NANOS)


CONVERSIONS: dict[str, Conversion] = {
    "integer": _integer,
    "float": _float,
    "date": _date,
    "date_time": _date_time,
    "boolean": _boolean,
}

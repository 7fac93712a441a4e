"""Values of an event, and their texts as Java and Ruby print them.

An event holds None, bool, int, float, ``Decimal`` (a decimal number that the json filter read),
str, ``Timestamp``, and lists and dicts of these.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ptingest.pipeline.decode import MAX_NUMBER_DIGITS
from ptingest.pipeline.timestamps import Instant, instant_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOS = 1_000_000_000

Value = Any
"""None | bool | int | float | Decimal | str | Timestamp | list | dict, nested."""


_KEPT_SECONDS = 4096


class _SecondTexts(dict[int, str]):
    """Seconds since 1970 -> ``2025-01-02T03:04:05.``; the events of a second share it."""

    def __missing__(self, second: int) -> str:
        if len(self) >= _KEPT_SECONDS:
            self.clear()
        begin = self[second] = instant_text(Instant(second, 0))[: -len("000Z")]
        return begin


_SECOND_TEXTS = _SecondTexts()
_MILLI_TEXTS = [f"{milli:03d}Z" for milli in range(1000)]


class Timestamp:
    """A moment, in nanoseconds since 1970 UTC; immutable by convention, compared by value."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and other.ns == self.ns

    def __hash__(self) -> int:
        return hash(self.ns)

    def __repr__(self) -> str:
        return f"Timestamp({self})"

    def __str__(self) -> str:
        """ISO 8601 in UTC with milliseconds, more digits only if the moment has them."""
        second, nanos = divmod(self.ns, NANOS)
        milli, rest = divmod(nanos, 1_000_000)
        begin = _SECOND_TEXTS[second]
        if not rest:
            return begin + _MILLI_TEXTS[milli]
        return f"{begin}{nanos:09d}Z" if rest % 1000 else f"{begin}{nanos // 1000:06d}Z"

    def moment(self) -> datetime:
        """The same moment with microseconds, in UTC."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)


def parse_timestamp(text: str) -> Timestamp | None:
    """Parse ISO 8601 as Logstash takes it for ``@timestamp``; None if it is none."""
    if len(text) == 24 and text[19] == "." and text[4] == text[7] == "-" and text[23] == "Z":
        # As Beats write it; Python reads that ten times as fast.
        try:
            return Timestamp(_nanos(datetime.fromisoformat(text)))
        except ValueError:
            return None
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            int(second or 0), tzinfo=_zone(zone),
        )  # fmt: skip
    except ValueError:
        return None
    return Timestamp(_nanos(moment) + int(f"{fraction or '0':0<9.9}"))


def _nanos(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NANOS + since.microseconds * 1000


_ISO = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?"
    r"(?:[T ](\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:].lstrip(":") or 0)
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


class FieldError(Exception):
    """An event cannot do what a filter asks: a bad reference, or a parent that is no object.

    Logstash raises here; each filter decides which tag the event gets.
    """


def is_number(value: Value) -> bool:
    """Whether the value is a number; a bool is none."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def whole(value: Decimal) -> int:
    """Return a decimal number without its fraction.

    Raises:
        FieldError: it has more digits than Elasticsearch reads. (``1e99999999`` is a short text,
            and as a whole number it takes minutes and gigabytes.)
    """
    if not value:
        return 0
    if value.adjusted() >= MAX_NUMBER_DIGITS:
        raise FieldError(f"{value} has more than {MAX_NUMBER_DIGITS} digits")
    return int(value)


def lowercase(text: str) -> str:
    """Ruby's ``downcase``: a sigma at the end of a word is no special case."""
    return text.replace("Σ", "σ").lower()


def capitalize(text: str) -> str:
    """Ruby's ``capitalize``: the first character in title case, all others in lower case."""
    return text.replace("Σ", "σ").capitalize()


# CPython 3.11 allows 1,000 calls within calls. What calls itself once a level of nesting does so
# in a loop or by way of ``map``, and ``join`` gets a list: a comprehension, or a ``join`` that
# still runs, would be a second call a level.


def copied(value: Value) -> Value:
    """Return a copy that shares no list and no object with the value."""
    if isinstance(value, dict):
        found = {}
        for key, one in value.items():
            found[key] = copied(one)
        return found
    if isinstance(value, list):
        return list(map(copied, value))
    return value


def java_text(value: Value) -> str:
    """The text of ``toString()``: ``1.0E15``, ``true``, ``[1, x]``, ``{k=v}``, ``null``."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value, low=1e-3, high=1e7, exponent="E{}")
    if isinstance(value, Decimal):
        return str(value)  # has an exponent under the same conditions as Java's BigDecimal
    if isinstance(value, list):
        return f"[{', '.join([*map(java_text, value)])}]"
    if isinstance(value, dict):
        entries = []
        for key, one in value.items():
            entries.append(f"{key}={java_text(one)}")
        return f"{{{', '.join(entries)}}}"
    return str(value)


def ruby_text(value: Value) -> str:
    """The text of ``to_s``: ``1.0e+16``, ``0.1e0`` for a ``Decimal``, empty for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value) if isinstance(value, Timestamp) else ruby_inspection(value)


def ruby_inspection(value: Value) -> str:
    """The text of ``inspect``: ``"x"``, ``nil``, ``[1, "x"]``, ``{"a"=>1}``."""
    if isinstance(value, str):
        return _ruby_quoted(value)
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value, low=1e-4, high=1e16, exponent="e{:+03d}")
    if isinstance(value, Decimal):
        return _ruby_decimal_text(value)
    if isinstance(value, list):
        return f"[{', '.join([*map(ruby_inspection, value)])}]"
    if isinstance(value, dict):
        entries = []
        for key, one in value.items():
            entries.append(f"{_ruby_quoted(key)}=>{ruby_inspection(one)}")
        return f"{{{', '.join(entries)}}}"
    return str(value)


def json_text(value: Value) -> str:
    """Compact JSON as Logstash writes it: numbers as Java prints them, times in ISO 8601."""
    if isinstance(value, dict):
        entries = []
        for key, one in value.items():
            entries.append(f"{json_text(str(key))}:{json_text(one)}")
        return f"{{{','.join(entries)}}}"
    if isinstance(value, list):
        return f"[{','.join([*map(json_text, value)])}]"
    if isinstance(value, (str, Timestamp)):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return f'"{java_text(value)}"'
    return java_text(value)


def _float_text(value: float, *, low: float, high: float, exponent: str) -> str:
    """Shortest digits; a point from ``low`` to ``high``, an exponent elsewhere."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or low <= abs(value) < high:
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else f"{text}.0"
    sign, digits, places = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) - 1 + int(places)
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}{exponent.format(power)}"


def _ruby_decimal_text(value: Decimal) -> str:
    sign, digits, places = value.as_tuple()
    text = "".join(map(str, digits)).strip("0")
    if not isinstance(places, int) or not text:
        return "-0.0" if sign else "0.0"
    leading = len(digits) - len("".join(map(str, digits)).lstrip("0"))
    return f"{'-' if sign else ''}0.{text}e{len(digits) - leading + places}"


def _ruby_quoted(text: str) -> str:
    return f'"{"".join(_ruby_character(text, index) for index in range(len(text)))}"'


_RUBY_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\e",
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v",
}  # fmt: skip


def _ruby_character(text: str, index: int) -> str:
    character = text[index]
    if character == "#" and text[index + 1 : index + 2] in ("{", "$", "@"):
        return "\\#"
    if character in _RUBY_ESCAPES:
        return _RUBY_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02X}" if code < 0x80 else f"\\u{code:04X}"

"""What a field's value looks like as text, as Logstash writes it.

``interpolated`` is ``%{[field]}`` in a template, ``message_text`` is what the Beats input
makes of a message that is no string. The two differ in how they print numbers: the one is
Java's, the other Ruby's.
"""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
from msgspec import Raw

_text = msgspec.json.Decoder(str).decode

MISSING = object()
"""A field that is not there; null counts the same for text."""


def value_of(raw: Raw) -> object:
    """Decode a raw value whole; numbers beyond a double become infinite.

    For those msgspec gives up where the standard library does not; texts it reads faster.
    """
    text = bytes(raw)
    return _text(text) if text.startswith(b'"') else json.loads(text)


def interpolated(value: object, *, placeholder: str) -> str:
    """Return the text of ``%{[field]}``, ``placeholder`` where there is no value."""
    if isinstance(value, Raw):
        value = value_of(value)
    if value is MISSING or value is None:
        return placeholder
    if isinstance(value, list):
        return _joined(value)
    if isinstance(value, dict):
        return _java_json(value)
    return _java_text(value)


def message_text(raw: Raw) -> str:
    """Return the text of a message; objects and lists as compact JSON."""
    value = value_of(raw)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return _ruby_float(value)
        case int():
            return str(value)
        case _:
            return _java_json(value)


def is_truthy(raw: Raw | None) -> bool:
    """Logstash's truth: missing, null, false, "" and the text "false" are not; 0 and [] are."""
    if raw is None:
        return False
    text = bytes(raw)
    if text.startswith(b'"'):
        return value_of(raw) not in ("", "false")
    return text not in (b"null", b"false")


def _joined(values: list[object]) -> str:
    return ",".join(
        "" if value is None else _joined(value) if isinstance(value, list) else _java_text(value)
        for value in values
    )


def _java_text(value: object) -> str:
    """Java's toString of a value: ``{a=1, b=[x, null]}``, ``1.0E20``."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _java_double(value)
        case dict():
            return "{" + ", ".join(f"{key}={_java_text(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(_java_text(each) for each in value) + "]"
        case _:
            return str(value)


def _java_json(value: object) -> str:
    """Compact JSON as Jackson writes it, which differs from ours in floats alone."""
    match value:
        case float():
            text = _java_double(value)
            return text if value == value and abs(value) != float("inf") else f'"{text}"'
        case dict():
            pairs = (f"{_json_text(key)}:{_java_json(each)}" for key, each in value.items())
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(_java_json(each) for each in value) + "]"
        case _:
            return _json_text(value)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode("utf-8")


def _java_double(number: float) -> str:
    """Double.toString: plain from 1e-3 to below 1e7, else ``d.dddE<exponent>``."""
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return _plain(number)
    mantissa, exponent = _scientific(number)
    return f"{mantissa}E{exponent}"


def _ruby_float(number: float) -> str:
    """Float#to_s: plain from 1e-4 to below 1e16, else ``d.ddde+<two digits>``."""
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-4 <= abs(number) < 1e16:
        return _plain(number)
    mantissa, exponent = _scientific(number)
    return f"{mantissa}e{exponent:+03d}"


def _plain(number: float) -> str:
    text = format(Decimal(repr(number)), "f")
    return text if "." in text else text + ".0"


def _scientific(number: float) -> tuple[str, int]:
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    mantissa = f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}"
    return mantissa, exponent + len(text) - 1

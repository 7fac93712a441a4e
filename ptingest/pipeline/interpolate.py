"""The text of a field's value, as Logstash writes it.

``interpolated`` is ``%{[field]}`` in a template; ``message_text`` is the text that the Beats
input makes of a message that is not a string. The two print numbers differently: the first as
Java does, the second as Ruby does.
"""

from __future__ import annotations

import json
from functools import lru_cache
from io import StringIO

import msgspec
from msgspec import Raw

_text = msgspec.json.Decoder(str).decode
_INFINITY = float("inf")

LONGEST_TEXT = 64 << 10
"""The text of a list is not written further than so many characters: no name may be as long."""
NUMBERS_KEPT = 4096
"""Floats cached, for lists with many equal ones."""
MISSING = object()
"""A missing field; as text null counts the same."""


def value_of(raw: Raw) -> object:
    """Decode a complete raw value; numbers beyond a double become infinite.

    Where msgspec refuses such numbers the standard library is used; msgspec reads texts faster.
    """
    text = bytes(raw)
    return _text(text) if text.startswith(b'"') else json.loads(text)


def interpolated(value: object, *, placeholder: str) -> str:
    """Return the text of ``%{[field]}``, ``placeholder`` when there is no value.

    It becomes part of a name; the text of a list ends where it is longer than any name.
    """
    if isinstance(value, Raw):
        if bytes(value).startswith(b"{"):
            return _java_json(bytes(value))
        value = value_of(value)
    if value is MISSING or value is None:
        return placeholder
    out = StringIO()
    if isinstance(value, list):
        _write_joined(value, out)
    else:
        _write_java_text(value, out)
    return out.getvalue()


def message_text(raw: Raw) -> str:
    """Return the text of a message; objects and lists as compact JSON."""
    text = bytes(raw)
    if text.startswith((b"{", b"[")):
        return _java_json(text)
    value = value_of(raw)
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _ruby_float(value)
        case _:
            return str(value)


def is_truthy(raw: Raw | None) -> bool:
    """Logstash's rule of truth: missing, null, false, "" and the text "false" are false; 0 and
    [] are true."""
    if raw is None:
        return False
    text = bytes(raw)
    if text.startswith(b'"'):
        return value_of(raw) not in ("", "false")
    return text not in (b"null", b"false")


# Texts are written piece by piece: joining the texts of each level would copy deeply nested
# values once a level.


def _write_joined(values: list[object], out: StringIO) -> None:
    comma = ""
    for value in values:
        if out.tell() > LONGEST_TEXT:
            return
        out.write(comma)
        comma = ","
        if isinstance(value, list):
            _write_joined(value, out)
        elif value is not None:
            _write_java_text(value, out)


def _write_java_text(value: object, out: StringIO) -> None:
    """Java's toString of a value: ``{a=1, b=[x, null]}``, ``1.0E20``."""
    comma = ""
    match value:
        case None:
            out.write("null")
        case bool():
            out.write("true" if value else "false")
        case float():
            out.write(_java_double(value))
        case dict():
            out.write("{")
            for key, each in value.items():
                if out.tell() > LONGEST_TEXT:
                    return
                out.write(f"{comma}{key}=")
                _write_java_text(each, out)
                comma = ", "
            out.write("}")
        case list():
            out.write("[")
            for each in value:
                if out.tell() > LONGEST_TEXT:
                    return
                out.write(comma)
                _write_java_text(each, out)
                comma = ", "
            out.write("]")
        case _:
            out.write(str(value))


def _java_json(text: bytes) -> str:
    """Compact JSON as Jackson writes it, which differs from ours in floats only."""
    return msgspec.json.encode(json.loads(text, parse_float=_json_double)).decode("utf-8")


@lru_cache(NUMBERS_KEPT)
def _json_double(text: str) -> Raw:
    number = float(text)
    shown = _java_double(number)
    return Raw((f'"{shown}"' if abs(number) == _INFINITY else shown).encode("ascii"))


def _java_double(number: float) -> str:
    """Double.toString: plain from 1e-3 to below 1e7, else ``d.dddE<exponent>``."""
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        return repr(number)
    if abs(number) == _INFINITY:
        return "Infinity" if number > 0 else "-Infinity"
    mantissa, exponent = _scientific(number)
    return f"{mantissa}E{exponent}"


def _ruby_float(number: float) -> str:
    """Float#to_s: plain from 1e-4 to below 1e16, else ``d.ddde+<two digits>``."""
    if number == 0 or 1e-4 <= abs(number) < 1e16:
        return repr(number)
    if abs(number) == _INFINITY:
        return "Infinity" if number > 0 else "-Infinity"
    mantissa, exponent = _scientific(number)
    return f"{mantissa}e{exponent:+03d}"


def _scientific(number: float) -> tuple[str, int]:
    """Mantissa and exponent of the shortest text that denotes this number, which is ``repr``."""
    text = repr(number)
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        return mantissa if "." in mantissa else mantissa + ".0", int(exponent)
    sign = "-" * text.startswith("-")
    whole, _, fraction = text.removeprefix("-").partition(".")
    digits = (whole + fraction).strip("0")
    leading = len(fraction) - len(fraction.lstrip("0"))
    power = -leading - 1 if whole == "0" else len(whole) - 1
    return f"{sign}{digits[0]}.{digits[1:] or '0'}", power

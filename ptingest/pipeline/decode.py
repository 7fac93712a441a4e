"""Payloads to events: a JSON object whose values stay raw bytes until a stage reads them.

``dict[str, Raw]`` keeps number texts exactly and costs a third of a full decode. msgspec
checks the grammar of what it skips (so NaN, control characters and trailing text are
refused also deep inside), but neither its UTF-8 nor the size of its numbers; those two
are checked here. It stops somewhat below 1,000 levels of nesting. Duplicate keys: the
last wins at the top level; inside a value they pass as they came.

Bad input is an answer, never an exception: either mended (and marked) or ``Unreadable``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from msgspec import Raw

BOM = b"\xef\xbb\xbf"
MAX_NUMBER_LENGTH = 4096
"""Characters of one number; JSON readers give up on longer ones (Python's at 4,300 digits)."""

INVALID_UTF8 = "invalid_utf8"
LONE_SURROGATE = "lone_surrogate"

decode_event = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder(Raw).decode

# Escapes are consumed whole, so that the backslash of `\\ud800` is not taken for one.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_STRING_OR_LONG_NUMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|([-+.0-9eE]{%d})' % (MAX_NUMBER_LENGTH + 1)
)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}:]')


class Unreadable(NamedTuple):
    """Why a payload is no event."""

    reason: str
    detail: str


TOO_DEEP = Unreadable("too_deep", "nested too deeply to be read, by some hundred levels")


class Decoded(NamedTuple):
    """An event, and what had to be mended to read it."""

    event: dict[str, Raw]
    payload: bytes
    """After mending."""
    marks: tuple[str, ...] = ()


def is_plain(payload: bytes) -> bool:
    """Whether the bytes are UTF-8, which ``decode_event`` does not check inside values."""
    if payload.isascii():
        return True
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_payload(payload: bytes) -> Decoded | Unreadable:
    """Decode one payload, mending what can be mended without guessing at its meaning."""
    marks: list[str] = []
    payload = payload.removeprefix(BOM)
    if not is_plain(payload):
        payload = payload.decode("utf-8", "replace").encode("utf-8")
        marks.append(INVALID_UTF8)
    if not payload.strip():
        return Unreadable("empty", "the payload holds nothing, expected one JSON object")
    try:
        event = decode_event(payload)
    except RecursionError:
        return TOO_DEEP
    except msgspec.DecodeError as error:
        mended = _without_lone_surrogates(payload)
        if mended == payload:
            return _unreadable(payload, error)
        again = decode_payload(mended)
        return (
            again
            if isinstance(again, Unreadable)
            else again._replace(marks=(*marks, LONE_SURROGATE, *again.marks))
        )
    if holds_long_number(payload, bytes(event.get("message", b""))):
        return Unreadable(
            "number_too_long", f"a number is longer than {MAX_NUMBER_LENGTH} characters"
        )
    return Decoded(event, payload, tuple(marks))


def holds_long_number(payload: bytes, message: bytes) -> bool:
    """Whether some number is too long; nearly free where the payload is mostly message."""
    if len(payload) <= MAX_NUMBER_LENGTH:
        return False
    if message.startswith(b'"') and len(payload) - len(message) <= MAX_NUMBER_LENGTH:
        return False
    return any(found.group(1) for found in _STRING_OR_LONG_NUMBER.finditer(payload))


def _without_lone_surrogates(payload: bytes) -> bytes:
    def mend(found: re.Match[bytes]) -> bytes:
        return rb"\ufffd" if found.group(1) else found.group()

    return _ESCAPE.sub(mend, payload)


def _unreadable(payload: bytes, error: msgspec.DecodeError) -> Unreadable:
    """Tell a JSON value of another kind from what is no JSON at all."""
    try:
        value = bytes(_decode_any(payload)).strip()
    except RecursionError:
        return TOO_DEEP
    except msgspec.DecodeError:
        return Unreadable("not_json", f"{error}; expected one JSON object in UTF-8")
    kinds = {b"[": "an array", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}
    kind = kinds.get(value[:1], "a number")
    return Unreadable("not_an_object", f"the payload is {kind}, expected one JSON object")


def duplicate_keys(payload: bytes, event: dict[str, Raw]) -> bool:
    """Whether a top-level key came twice, given what was decoded.

    Walks the payload, so ask only where its length says that something was lost.
    """
    seen = 0
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(payload):
        text = token.group()
        if text in b"{[":
            depth += 1
        elif text in b"}]":
            depth -= 1
        elif text == b":" and depth == 1:
            seen += 1
    return seen > len(event)

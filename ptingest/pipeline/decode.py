"""Payloads to events: a JSON object whose values stay raw bytes until a stage reads them.

``dict[str, Raw]`` keeps number texts exactly and costs a third of a full decode. msgspec checks
the grammar of the values that it skips (so NaN, control characters and trailing text are
refused at any depth), but neither their UTF-8 nor the size of numbers nor how deeply they are
nested; those three are checked here. Duplicate keys: the last wins at the top level; inside a
value they are passed on unchanged.

Bad input is a result, never an exception: the payload is either mended (and marked) or
``Unreadable``.
"""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import NamedTuple

import msgspec
from msgspec import Raw

from ptingest.pipeline.encode import encode_value

BOM = b"\xef\xbb\xbf"
MAX_NUMBER_DIGITS = 1000
"""Digits of one number; Elasticsearch's JSON reader refuses a document with a longer number."""
MAX_DEPTH = 500
"""Levels of objects and lists in one payload, its own object included.

All versions of CPython read so many, and filters that call themselves once a level can work on
them: 3.11 stops below 1,000 such calls, newer versions elsewhere. Elasticsearch reads 1,000."""
HARMLESS_BYTES = min(MAX_NUMBER_DIGITS, 2 * MAX_DEPTH)
"""So few bytes can hold neither a longer number nor more levels."""

INVALID_UTF8 = "invalid_utf8"
LONE_SURROGATE = "lone_surrogate"

decode_event = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder(Raw).decode

# Matches up to the first half of a surrogate pair that stands alone. Escapes are consumed
# whole, so that the backslash of `\\ud800` is not taken for one.
_HALF, _SECOND_HALF = rb"[dD][89a-fA-F][0-9a-fA-F]{2}", rb"[dD][c-fC-F][0-9a-fA-F]{2}"
_UP_TO_LONE_SURROGATE = re.compile(
    rb"(?:[^\\]++|\\(?:[^u]|u(?!%b)|u[dD][89abAB][0-9a-fA-F]{2}\\u%b))*+" % (_HALF, _SECOND_HALF),
    re.DOTALL,
)
_MENDED_SURROGATE = rb"\ufffd"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_NUMBER_BYTES = rb"[-+.0-9eE]"
# Each expression below scans a payload in one match, not in one match for each token.
_UP_TO_LONG_RUN = re.compile(
    rb'(?:[^"\-+.0-9eE]++|%b|%b{1,%d}+(?!%b))*+'
    % (_STRING, _NUMBER_BYTES, MAX_NUMBER_DIGITS, _NUMBER_BYTES),
    re.DOTALL,
)
_RUN = re.compile(_NUMBER_BYTES + b"++")
# A longer run covers two neighbours of the examined places.
_SAMPLED = slice(MAX_NUMBER_DIGITS // 2, None, MAX_NUMBER_DIGITS // 2)
_TWO_IN_A_ROW = re.compile(_NUMBER_BYTES + b"{2}").search
_BRACKETS = b"[{]}"
_STEPS = bytes.maketrans(_BRACKETS, array("b", (1, 1, -1, -1)).tobytes())
_OTHERS = bytes(range(256)).translate(None, _BRACKETS)
PART_BYTES = 1 << 16
"""Brackets are counted in parts of this size, so that it takes no memory for all of a payload."""
_UP_TO_STRUCTURE = re.compile(rb'(?:[^"\[\]{}:]++|%b)*+([\[\]{}:])' % _STRING, re.DOTALL)


class Unreadable(NamedTuple):
    """Why a payload is not an event."""

    reason: str
    detail: str


TOO_DEEP = Unreadable("too_deep", f"nested in more than {MAX_DEPTH} levels of objects and lists")
TOO_LONG = Unreadable(
    "number_too_long",
    f"a number has more than {MAX_NUMBER_DIGITS} digits, which Elasticsearch refuses",
)


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """An event, and what was mended to read it."""

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
    """Decode one payload; mend what can be mended without guessing its meaning."""
    if payload.isascii() or is_plain(payload):
        try:
            event = decode_event(payload)
        except (msgspec.DecodeError, RecursionError):
            return _mended(payload)
        return beyond_limits(payload, event.get("message")) or Decoded(event, payload)
    return _mended(payload)


def _mended(payload: bytes) -> Decoded | Unreadable:
    marks: list[str] = []
    payload = payload.removeprefix(BOM)
    if not is_plain(payload):
        payload = payload.decode("utf-8", "replace").encode("utf-8")
        marks.append(INVALID_UTF8)
    if not payload.strip():
        return Unreadable("empty", "the payload holds nothing, expected one JSON object")
    if nests_too_deeply(payload):
        return TOO_DEEP
    try:
        event = decode_event(payload)
    except msgspec.DecodeError as error:
        mended = without_lone_surrogates(payload)
        if mended == payload:
            return _unreadable(payload, error)
        again = decode_payload(mended)
        return (
            again
            if isinstance(again, Unreadable)
            else msgspec.structs.replace(again, marks=(*marks, LONE_SURROGATE, *again.marks))
        )
    refused = beyond_limits(payload, event.get("message"))
    return refused or Decoded(event, payload, tuple(marks))


def must_be(name: str, kind: str) -> str:
    """Say what Logstash cannot process, and what to change where the event is made."""
    return (
        f"{name} must be {kind}; rename it among the processors of filebeat.yml: "
        f"`- rename: {{fields: [{{from: {name}, to: app_{name}}}]}}`"
    )


def beyond_limits(payload: bytes, message: Raw | bytes | None) -> Unreadable | None:
    """Return why JSON is refused that can be read; nearly free when most of it is the message."""
    if message is not None and len(payload) - len(message) <= HARMLESS_BYTES:
        if (b"" + message)[:1] == b'"':
            return None
    elif len(payload) <= HARMLESS_BYTES:
        return None
    if nests_too_deeply(payload):
        return TOO_DEEP
    if _TWO_IN_A_ROW(payload[_SAMPLED]) is not None and _has_long_number(payload):
        return TOO_LONG
    return None


def nests_too_deeply(text: bytes) -> bool:
    """Whether JSON has more than ``MAX_DEPTH`` levels; brackets in strings are none."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    # Without escapes, every second piece between quotes is a string.
    text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    depth, in_string = 0, 0
    for start in range(0, len(text), PART_BYTES):
        pieces = text[start : start + PART_BYTES].split(b'"')
        steps = b"".join(pieces[in_string::2]).translate(_STEPS, _OTHERS)
        depths = list(accumulate(array("b", steps), initial=depth))
        if max(depths) > MAX_DEPTH:
            return True
        depth = depths[-1]
        in_string ^= (len(pieces) - 1) & 1
    return False


def _has_long_number(payload: bytes) -> bool:
    position = 0
    while position < len(payload):
        found = _UP_TO_LONG_RUN.match(payload, position)
        run = found and _RUN.match(payload, found.end())
        if not run:
            return False
        if len(run.group().translate(None, b"-+.eE")) > MAX_NUMBER_DIGITS:
            return True
        position = run.end()
    return False


def without_lone_surrogates(payload: bytes) -> bytes:
    """Replace each lone half in place by an escape of the same length."""
    mended = bytearray(payload)
    position = 0
    while position < len(payload):
        found = _UP_TO_LONE_SURROGATE.match(payload, position)
        at = found.end() if found else len(payload)
        position = at + len(_MENDED_SURROGATE)
        if position <= len(payload):
            mended[at:position] = _MENDED_SURROGATE
    return bytes(mended)


def _unreadable(payload: bytes, error: msgspec.DecodeError) -> Unreadable:
    """Distinguish a JSON value of another kind from text that is not JSON."""
    try:
        value = bytes(_decode_any(payload)).strip()
    except msgspec.DecodeError:
        return Unreadable("not_json", f"{error}; expected one JSON object in UTF-8")
    kinds = {b"[": "an array", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}
    kind = kinds.get(value[:1], "a number")
    return Unreadable("not_an_object", f"the payload is {kind}, expected one JSON object")


def duplicate_keys(payload: bytes, event: dict[str, Raw]) -> bool:
    """Whether a top-level key appeared twice, given the decoded event.

    It scans the payload, so call it only when the payload's length shows that something was
    lost.
    """
    # Without spaces both lengths are equal, unless a member was lost or a key holds escapes.
    compact = len(msgspec.json.format(payload, indent=-1))
    if compact == len(msgspec.json.format(encode_value(event), indent=-1)):
        return False
    if b"\\" not in payload:
        return True
    seen = 0
    depth = 0
    for token in _UP_TO_STRUCTURE.finditer(payload):
        text = token.group(1)
        if text in b"{[":
            depth += 1
        elif text in b"}]":
            depth -= 1
        elif depth == 1:
            seen += 1
    return seen > len(event)

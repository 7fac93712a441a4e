"""Events to bodies of documents."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.members import value_of
from ptingest.pipeline.logstash.values import Timestamp

_OFFSET_NAME = b'"offset":'
_OFFSET = re.compile(rb"(.*%b)([1-9][0-9]{0,17})([,}].*)" % _OFFSET_NAME, re.DOTALL).fullmatch
_SOME_OFFSET = b"987654321987654321"
"""A number as long as any that is found."""


class EventEncoder:
    """Encodes the events of one pipeline; holds a cache."""

    def __init__(self) -> None:
        self._printed = _PrintedMembers()

    def encode(self, event: Event) -> bytes:
        """Return an event as the body of a document, without its metadata."""
        root, printed = event.root, self._printed
        for name, value in root.items():
            if type(value) is Raw:
                root[name] = printed[b"" + value]
        return encode_value(root)


class _PrintedMembers(dict[bytes, Raw]):
    """How members that no filter read are printed: as if they had been decoded.

    What a Beat says of itself is the same in all its events, so that nearly every member is
    found here; of ``log``, whose offset is always another, what stands around that is. Mostly it
    is what was sent; but spaces, a key that stands twice, escapes that are not needed and numbers
    such as ``1.50`` do not stay.
    """

    def __init__(self) -> None:
        self._around_offset = _AroundOffset()

    def __missing__(self, sent: bytes) -> Raw:
        found = _OFFSET(sent)
        if found is not None:
            before, digits, after = found.groups()
            around = self._around_offset[before + after]
            if around is not None:
                return Raw(b"%b%b%b" % (around[0], digits, around[1]))
        printed = Raw(encode_value(value_of(sent)))
        remember(self, sent, printed)
        return printed


class _AroundOffset(dict[bytes, "tuple[bytes, bytes] | None"]):
    """What is printed before and after the digits of an offset; None where that is not sure."""

    def __missing__(self, around: bytes) -> tuple[bytes, bytes] | None:
        # A bare quote opens or closes a text, and only behind a key there is a colon.
        before, name, after = around.rpartition(_OFFSET_NAME)
        parts = encode_value(value_of(before + name + _SOME_OFFSET + after)).split(_SOME_OFFSET)
        found = (parts[0], parts[1]) if len(parts) == 2 else None
        remember(self, around, found)
        return found


def encode_value(value: Any) -> bytes:
    """Return a value of an event as JSON."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_mended(value))


def _mended(value: Any) -> Any:
    """Replace halves of surrogate pairs, which a filter may have made of a text in JSON."""
    if isinstance(value, dict):
        return {_mended(name): _mended(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _plain(value: object) -> object:
    if isinstance(value, Timestamp):
        return str(value)
    # How msgspec wants a hook to refuse a type.
    raise NotImplementedError(f"a value of type {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")

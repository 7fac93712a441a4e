"""Events to bodies of documents."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.members import value_of
from ptingest.pipeline.logstash.values import Timestamp


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
        try:
            return _encode(root)
        except UnicodeEncodeError:
            return encode_value(root)


class _PrintedMembers(dict[bytes, Raw]):
    """How members that no filter read are printed: as if they had been decoded.

    What a Beat says of itself is the same in all its events, so that nearly every member is
    found here. Mostly it is what was sent; but spaces, a key that stands twice, escapes that are
    not needed and numbers such as ``1.50`` do not stay.
    """

    def __missing__(self, sent: bytes) -> Raw:
        printed = Raw(encode_value(value_of(sent)))
        remember(self, sent, printed)
        return printed


def encode_value(value: Any) -> bytes:
    """Return a value of an event as JSON."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_mended(value))


def _mended(value: Any) -> Any:
    """Replace halves of surrogate pairs, which a filter may have made of a text in JSON."""
    if isinstance(value, dict):
        return dict(zip(map(_mended, value), map(_mended, value.values()), strict=True))
    if isinstance(value, list):
        return list(map(_mended, value))
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value


def _plain(value: object) -> object:
    if isinstance(value, Timestamp):
        return str(value)
    # How msgspec wants a hook to refuse a type.
    raise NotImplementedError(f"a value of type {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode

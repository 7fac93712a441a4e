"""Events to bodies: one JSON object as UTF-8, without a raw newline, the same for every sink."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_encoder = msgspec.json.Encoder()
encode_value = _encoder.encode
encode_into = _encoder.encode_into
"""Encode into a bytearray and replace its content."""


def encode_body(event: Mapping[str, object]) -> bytes:
    """Encode an event whose values are raw bytes or plain Python.

    Raw values may hold newlines between their tokens, which would break the line framing
    of the sinks; the body is then rewritten without any space between tokens.
    """
    body = encode_value(event)
    return msgspec.json.format(body, indent=-1) if b"\n" in body else body

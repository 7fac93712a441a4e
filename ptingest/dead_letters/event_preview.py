"""What the event of a letter says of itself, for lists: its service and its message.

A letter's ``service`` is the label of the metrics, ``other`` for a service that the profile
does not name. Who looks for the cause needs the name that was sent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ptingest.model.document import LARGE_BYTES
from ptingest.model.record_frame import unframed

MESSAGE_CHARACTERS = 300


class EventPreview(NamedTuple):
    """Both are empty where the payload does not say it."""

    service: str
    message: str
    """Its beginning; of a payload that is no JSON object the beginning of that."""


class _Fields(msgspec.Struct):
    service: Any = None
    message: Any = None


_decode = msgspec.json.Decoder(_Fields).decode


def event_preview(payload: bytes) -> EventPreview:
    """Read one payload; any bytes are accepted. One that is large is not decoded."""
    if (record := unframed(payload)) is not None:
        payload = record.value
    if len(payload) <= LARGE_BYTES:
        try:
            fields = _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # no event: its beginning is shown as it is
        else:
            return EventPreview(_text(fields.service), _text(fields.message)[:MESSAGE_CHARACTERS])
    start = payload[:MESSAGE_CHARACTERS].decode("utf-8", "backslashreplace")
    return EventPreview("", start[:MESSAGE_CHARACTERS])


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()

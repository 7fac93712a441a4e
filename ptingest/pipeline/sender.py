"""The program at the other end, from its first event: read once a connection."""

from __future__ import annotations

from typing import Any

import msgspec

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Sender
from ptingest.pipeline.identity import known_by

LONGEST = 64
"""Characters shown; the sender chooses the text."""


def sender_of(payload: bytes) -> Sender:
    """Read one event; any bytes are accepted.

    This runs on the event loop, so a large event is not read: one with many members takes a
    second and more.
    """
    if len(payload) > LARGE_BYTES:
        return Sender()
    fields = _fields_of(payload)
    return Sender(
        _program_of(fields),
        known_by(payload),
        _shown(fields.agent.name),
        _shown(fields.host.get("name") if isinstance(fields.host, dict) else None),
    )


class _SenderAgent(msgspec.Struct):
    type: str = ""
    version: str = ""
    name: Any = None


class _Metadata(msgspec.Struct):
    beat: str = ""
    version: str = ""


class _SenderFields(msgspec.Struct):
    agent: _SenderAgent = msgspec.field(default_factory=_SenderAgent)
    host: Any = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="@metadata")


_decode = msgspec.json.Decoder(_SenderFields).decode


def _fields_of(payload: bytes) -> _SenderFields:
    """Read an event, about two microseconds; of what is not such an event nothing is known."""
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _SenderFields()


def _program_of(fields: _SenderFields) -> str | None:
    name = fields.agent.type or fields.metadata.beat
    version = fields.agent.version or fields.metadata.version
    return _shown(f"{name} {version}".strip())


def _shown(text: Any) -> str | None:
    return text[:LONGEST] or None if isinstance(text, str) else None

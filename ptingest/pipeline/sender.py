"""The program at the other end, from its first event: read once a connection."""

from __future__ import annotations

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
    return Sender(agent_of(payload), known_by(payload))


class _SenderAgent(msgspec.Struct):
    type: str = ""
    version: str = ""


class _Metadata(msgspec.Struct):
    beat: str = ""
    version: str = ""


class _SenderFields(msgspec.Struct):
    agent: _SenderAgent = msgspec.field(default_factory=_SenderAgent)
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="@metadata")


_decode = msgspec.json.Decoder(_SenderFields).decode


def agent_of(payload: bytes) -> str | None:
    """Return ``filebeat 8.19.0`` from an event, or None when it does not say.

    Any bytes are accepted; None for those that are not such an event. About two microseconds.
    """
    try:
        sent = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    name = sent.agent.type or sent.metadata.beat
    version = sent.agent.version or sent.metadata.version
    return f"{name} {version}".strip()[:LONGEST] or None

"""An event encoded for its data stream.

Both types are built in the hot path: a ``msgspec.Struct`` costs a fifteenth of a frozen dataclass
to build (about 0.1 against 1.5 microseconds).
"""

from __future__ import annotations

import msgspec

from ptingest.model.receipt import Receipt

DOCUMENT_OVERHEAD_BYTES = 256
"""Memory that one waiting document takes beside its payload and body."""


LARGE_BYTES = 256 << 10
"""A larger event may take long and much memory, so that it is processed on its own."""


class DataStream(msgspec.Struct, frozen=True):
    """The three parts of a data stream's name; built once a name and shared."""

    type: str
    dataset: str
    namespace: str

    @property
    def name(self) -> str:
        return f"{self.type}-{self.dataset}-{self.namespace}"


class Document(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One event, ready to be written; compared by identity.

    ``body`` is one JSON object as UTF-8 without a raw newline, the same bytes for every sink.
    ``key`` is the document's id when the event can be recognised on a resend (22 characters of
    unpadded base64url), else None. ``payload`` is the event as the Beat sent it, held in full
    for the dead letters. ``service`` is a metric label from a bounded set, not the event's
    field.
    """

    data_stream: DataStream
    body: bytes
    key: str | None
    receipt: Receipt
    payload: bytes
    service: str
    peer: str

    @property
    def cost(self) -> int:
        """Bytes charged to the budget while the document is outstanding."""
        return len(self.body) + len(self.payload) + DOCUMENT_OVERHEAD_BYTES

"""What Elasticsearch put aside: documents of a failure store, each with the error it got.

Elasticsearch answers such a document with 201, so it is safe and settled; only a search of
the data stream does not find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FailureDocument(NamedTuple):
    """One document of a failure store."""

    id: str
    """Of the failure store's own document."""
    store_index: str
    """The backing index of the failure store that has it."""
    time: str
    """When it failed, RFC 3339 as Elasticsearch gives it."""
    data_stream: str
    """Where it was to be stored."""
    key: str | None
    """The id that it was to be stored under; None: it failed before it was given one."""
    kind: str
    """Type of the error, ``document_parsing_exception``."""
    message: str
    """The error as Elasticsearch worded it; it may quote the event."""
    reason: str
    """Type and message without what differs from one document to the next."""
    source: bytes
    """The document as it was sent, JSON; in a list only its message and service."""
    whole: bytes
    """The failure store's document, JSON; in a list as little of it."""

    @property
    def own_key(self) -> str:
        """The id under which it is requeued."""
        return self.key or self.id


class FailureGroup(NamedTuple):
    """Documents of one data stream that failed for one reason."""

    data_stream: str
    reason: str
    documents: int
    oldest: str
    newest: str
    example: FailureDocument


class FailurePage(NamedTuple):
    """What one reading of the failure stores found."""

    groups: Sequence[FailureGroup]
    """Most documents first."""
    seen: int
    """Documents in these groups."""
    requeued: int
    """Documents that were left out, since their data streams have them by now."""
    left_out: int
    """Older documents that were not read."""

"""Documents and a clock for tests of the Elasticsearch sink."""

from __future__ import annotations

from ptingest.model.document import DataStream, Document
from ptingest.model.receipt import Receipt

DJANGO = DataStream("logs", "django", "pt")
NGINX = DataStream("logs", "nginx", "pt")


class StillClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds, as set."""
        return self.now

    def time_ns(self) -> int:
        """The same, in nanoseconds."""
        return int(self.now * 1e9)


def document(
    *,
    number: int = 0,
    key: str | None = None,
    stream: DataStream = DJANGO,
    body: bytes | None = None,
    receipt: Receipt | None = None,
) -> Document:
    """A small document of its own receipt."""
    if body is None:
        body = b'{"@timestamp":"2026-11-23T10:00:00Z","number":%d}' % number
    return Document(
        target=stream,
        body=body,
        key=key,
        receipt=receipt or Receipt(lambda _: None),
        payload=b"{}",
        service=stream.dataset,
        peer="192.0.2.7:51234",
    )

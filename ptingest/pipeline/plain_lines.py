"""Plain log lines to the events that a Beat would send for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

RECORD_START = re.compile(rb"[A-Za-z0-9_]+\|")
"""How a record of the pt services begins; with --multiline other lines are joined to the record
before them."""
RECORD_BYTES = 10 << 20
"""A record joined from lines is cut at this size, as by Filebeat's max_bytes."""


def join_records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join each line that begins no record to the record before it, as Filebeat's multiline
    does."""
    record: list[bytes] = []
    size = 0
    for line in lines:
        if record and (RECORD_START.match(line) or size > RECORD_BYTES):
            yield b"\n".join(record)
            record, size = [], 0
        record.append(line.removesuffix(b"\r"))
        size += len(line)
    if record:
        yield b"\n".join(record)


def as_events(records: Iterable[bytes], *, service: str, group: str) -> Iterator[bytes]:
    """Yield each record as the event a Beat would send for it now."""
    import orjson

    for record in records:
        now = datetime.now(UTC)
        yield orjson.dumps(
            {
                "@timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
                "message": record.removesuffix(b"\r").decode("utf-8", "replace"),
                "group": group,
                "service": service,
            }
        )

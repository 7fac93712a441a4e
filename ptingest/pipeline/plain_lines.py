"""Plain log lines to the events that a Beat would send for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from ptingest.model.rfc3339 import rfc3339

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


def filebeat_event(
    message: bytes,
    *,
    at: datetime,
    fields: Mapping[str, object],
    metadata: Mapping[str, object] | None = None,
    log: Mapping[str, object] | None = None,
) -> bytes:
    """Return a record as the JSON event that Filebeat's filestream input makes of it.

    ``fields`` are those that do not depend on the record. Invalid UTF-8 is replaced, as
    Filebeat does.
    """
    import orjson

    event: dict[str, object] = {"@timestamp": rfc3339(at)}
    if metadata is not None:
        event["@metadata"] = metadata
    event["message"] = message.decode("utf-8", "replace")
    if log is not None:
        event["log"] = log if b"\n" not in message else {**log, "flags": ["multiline"]}
    return orjson.dumps({**event, **fields})


def constant_fields(
    *, agent: Mapping[str, object], host: Mapping[str, object], group: str
) -> dict[str, object]:
    """Return the fields that every event of one filestream input of a Filebeat has."""
    return {
        "agent": agent,
        "ecs": {"version": "8.0.0"},
        "host": host,
        "input": {"type": "filestream"},
        "group": group,
    }


def as_events(records: Iterable[bytes], *, service: str, group: str) -> Iterator[bytes]:
    """Yield each record as the smallest event that a Beat would send for it now."""
    fields = {"group": group, "service": service}
    for record in records:
        yield filebeat_event(record.removesuffix(b"\r"), at=datetime.now(UTC), fields=fields)

"""Fields of a document that have columns of their own, so that filters need not parse it.

One typed decode a document costs about a microsecond and reads only the named fields. A field
of an unexpected type (a list of services, a number) is kept as its JSON text, never refused:
the body in the same row is authoritative.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec


class Columns(msgspec.Struct, frozen=True, gc=False):
    """The fields when each is a string, null or missing, which is nearly always."""

    timestamp: str | None = msgspec.field(name="@timestamp", default=None)
    group: str | None = None
    service: str | None = None
    log_level: str | None = None
    logger_name: str | None = None
    stream: str | None = None
    app_module: str | None = None
    message: str | None = None


class ColumnValues(NamedTuple):
    """The values of the columns in the order of the table."""

    timestamp: str | None
    group: str | None
    service: str | None
    log_level: str | None
    logger_name: str | None
    stream: str | None
    app_module: str | None
    message: str | None


_NOTHING = ColumnValues(None, None, None, None, None, None, None, None)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decoder = msgspec.json.Decoder(Columns)
_CANONICAL_LENGTH = len("2025-01-02T03:04:05.678Z")


def lift(body: bytes) -> ColumnValues:
    """Return the columns of one document; never raises, whatever the body is."""
    try:
        columns = _decoder.decode(body)
    except msgspec.ValidationError:
        return _lift_odd(body)
    except _UNREADABLE:
        return _NOTHING
    timestamp = columns.timestamp
    if timestamp is not None and (
        len(timestamp) != _CANONICAL_LENGTH or not timestamp.endswith("Z")
    ):
        timestamp = canonical_time(timestamp)
    return ColumnValues(
        timestamp,
        columns.group,
        columns.service,
        columns.log_level,
        columns.logger_name,
        columns.stream,
        columns.app_module,
        columns.message,
    )


def _lift_odd(body: bytes) -> ColumnValues:
    try:
        document = msgspec.json.decode(body)
    except _UNREADABLE:
        return _NOTHING
    if not isinstance(document, dict):
        return _NOTHING
    timestamp = document.get("@timestamp")
    return ColumnValues(
        canonical_time(timestamp) if isinstance(timestamp, str) else None,
        *(_text_of(document.get(name)) for name in ColumnValues._fields[1:]),
    )


def _text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def canonical_time(text: str) -> str | None:
    """Return any ISO time as UTC milliseconds, ``2025-01-02T03:04:05.678Z``, so that times sort
    as text; None when it is not a time. A time without an offset is read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time_text(moment)


def time_text(moment: datetime) -> str:
    """Return an aware UTC time as the store writes it; digits beyond milliseconds are cut."""
    return f"{moment:%H:%M:%S}".join(
        (
            f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T",
            f".{moment.microsecond // 1000:03d}Z",
        )
    )
